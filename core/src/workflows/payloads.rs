use crate::{
    error::{Code, Error, Result},
    ids::PayloadId,
    json::JsonText,
    name::Name,
    page::{Page, Paged, Recent},
    prompt::{Payload, PayloadChange},
    store::Found,
    workflows::{Document, Grant, OnPayload, Px0},
};

impl Px0 {
    /// Keeps a sample payload.
    ///
    /// # Errors
    /// [`Code::InvalidField`] when the variables are no object; [`Code::TooLarge`].
    pub async fn create_payload(
        &self,
        prompt: &Grant<Found>,
        name: Option<Name>,
        variables: JsonText,
    ) -> Result<Payload> {
        self.check_variables(variables.as_str())?;
        let stamp = prompt.stamp();
        let payload = Payload {
            id: PayloadId::new(),
            prompt_id: prompt.prompt.id,
            name,
            variables,
            created_at: stamp.at,
            updated_at: stamp.at,
        };
        self.store.create_payload(stamp, payload.clone()).await?;
        Ok(payload)
    }

    /// The payloads of a prompt.
    ///
    /// # Errors
    /// Not found when the prompt is gone.
    pub async fn payloads(
        &self,
        prompt: &Grant<Found>,
        page: Page<Recent>,
    ) -> Result<Paged<Payload, Recent>> {
        Ok(self.store.payloads(prompt.prompt.id, page).await?)
    }

    /// Changes a payload.
    ///
    /// # Errors
    /// As for a new one.
    pub async fn update_payload(
        &self,
        on: &Grant<OnPayload>,
        change: PayloadChange,
    ) -> Result<Payload> {
        if let Some(variables) = &change.variables {
            self.check_variables(variables.as_str())?;
        }
        let stamp = on.stamp();
        Ok(self.store.update_payload(stamp, on.found.prompt.id, on.payload.id, change).await?)
    }

    /// Deletes a payload.
    ///
    /// # Errors
    /// Not found when it is gone already.
    pub async fn delete_payload(&self, on: &Grant<OnPayload>) -> Result<()> {
        Ok(self.store.delete_payload(on.stamp(), on.found.prompt.id, on.payload.id).await?)
    }

    /// Whether variables, the text of a JSON value, are an object of a size that is taken.
    pub(super) fn check_variables(&self, variables: &str) -> Result<()> {
        if !variables.starts_with('{') {
            return Err(Error::field(
                Code::InvalidField,
                "variables",
                "variables must be an object",
            ));
        }
        self.policy.check_size(Document::Variables, variables.len())
    }
}
