//! Text that is being made, up to a limit.

/// The text, as bytes: in Go a string may end within a character, and the next one go on with it.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    limit: usize,
}

/// It would have been longer than allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Full;

impl Buffer {
    /// An empty one that takes `limit` bytes.
    pub(crate) fn new(limit: usize) -> Buffer {
        Buffer { bytes: Vec::new(), limit }
    }

    /// Whether `count` bytes more would fit: for those who make a text before they write it.
    pub(crate) fn has_room(&self, count: usize) -> Result<(), Full> {
        if count > self.limit - self.bytes.len() { Err(Full) } else { Ok(()) }
    }

    /// Adds these bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.has_room(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Adds this text.
    pub(crate) fn write_str(&mut self, text: &str) -> Result<(), Full> {
        self.write(text.as_bytes())
    }

    /// Adds this character.
    pub(crate) fn write_char(&mut self, c: char) -> Result<(), Full> {
        self.write_str(c.encode_utf8(&mut [0; 4]))
    }

    /// Adds `byte` so many times.
    pub(crate) fn fill(&mut self, byte: u8, count: usize) -> Result<(), Full> {
        self.has_room(count)?;
        self.bytes.resize(self.bytes.len() + count, byte);
        Ok(())
    }

    /// All that was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
