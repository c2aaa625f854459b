// Functions for templates: truncate_words, truncate_chars, title_case.
//
// The interface is `filters` of px0's plugin.wit; names in kebab-case there are in camelCase here. What a function throws
// becomes the error of its result, so it is a `call-error`: { tag, val }.

/** What a text that was cut ends with. */
let mark = '…';

/** The functions: how many arguments each takes, and what it does with them. */
const functions = {
  /** The first `count` words, with the mark after them if there were more. */
  truncate_words: {
    arguments: [2, 2],
    call(text, count) {
      string(text, 1);
      wholeNumber(count, 2);
      const words = text.split(/\s+/u).filter((word) => word !== '');
      return words.length <= count ? text : words.slice(0, count).join(' ') + mark;
    },
  },
  /** The first `count` characters (code points), the mark included if there were more. */
  truncate_chars: {
    arguments: [2, 2],
    call(text, count) {
      string(text, 1);
      wholeNumber(count, 2);
      const chars = [...text];
      const kept = Math.max(count - [...mark].length, 0);
      return chars.length <= count ? text : chars.slice(0, kept).join('') + mark;
    },
  },
  /** The text with the first letter of each word in upper case, and the others as they are. */
  title_case: {
    arguments: [1, 1],
    call(text) {
      string(text, 1);
      // The engine has no Unicode properties (\p{L}); what is no letter stays as it is in upper case.
      return text.replace(/(^|[\s-])(\S)/gu, (_, before, letter) => before + letter.toUpperCase());
    },
  },
};

function string(value, position) {
  if (typeof value !== 'string') {
    throw { tag: 'arguments', val: `argument ${position} is to be a text` };
  }
}

function wholeNumber(value, position) {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw { tag: 'arguments', val: `argument ${position} is to be a whole number, 0 or more` };
  }
}

/** The interface `filters`. */
export const filters = {
  configure(settings) {
    mark = JSON.parse(settings).mark ?? '…';
  },
  declare() {
    return Object.entries(functions).map(([name, { arguments: [min, max] }]) => ({
      name,
      minArguments: min,
      maxArguments: max,
    }));
  },
  call(name, args) {
    if (!Object.hasOwn(functions, name)) {
      throw { tag: 'unknown' };
    }
    return JSON.stringify(functions[name].call(...JSON.parse(args)));
  },
};
