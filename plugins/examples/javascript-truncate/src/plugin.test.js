import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { filters } from './plugin.js';

const call = (name, ...args) =>
  JSON.parse(filters.call(name, JSON.stringify(args)));

beforeEach(() => filters.configure('{}'));

test('words are cut', () => {
  assert.equal(call('truncate_words', 'one two  three', 2), 'one two…');
  assert.equal(call('truncate_words', 'one two  three', 3), 'one two  three');
  assert.equal(call('truncate_words', '', 0), '');
});

test('characters are cut', () => {
  assert.equal(call('truncate_chars', 'größer 🙂🙂', 8), 'größer 🙂🙂'.slice(0, 7) + '…');
  assert.equal(call('truncate_chars', '🙂🙂', 2), '🙂🙂');
  assert.equal(call('truncate_chars', '🙂🙂🙂', 2), '🙂…');
});

test('titles are in title case', () => {
  assert.equal(call('title_case', 'élan vital of well-known things'), 'Élan Vital Of Well-Known Things');
});

test('the mark can be set', () => {
  filters.configure('{"mark": " [cut]"}');
  assert.equal(call('truncate_words', 'one two', 1), 'one [cut]');
});

test('what is wrong with a call is said', () => {
  assert.throws(() => call('nothing'), { tag: 'unknown' });
  assert.throws(() => call('toString'), { tag: 'unknown' });
  assert.throws(() => call('truncate_words', 1, 1), { tag: 'arguments', val: 'argument 1 is to be a text' });
  assert.throws(() => call('truncate_words', 'a', -1), { tag: 'arguments' });
  assert.throws(() => call('truncate_chars', 'a', 1.5), { tag: 'arguments' });
});

test('functions are declared', () => {
  assert.deepEqual(filters.declare()[0], { name: 'truncate_words', minArguments: 2, maxArguments: 2 });
});
