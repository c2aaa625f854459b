// Makes a component of src/plugin.js: target/javascript-truncate.wasm.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { componentize } from '@bytecodealliance/componentize-js';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

// The component would import all that its world does, used or not. This plugin wants nothing (see plugin.toml), so its world is
// `filters-plugin` without `log`.
const wit = await readFile(at('../../wit/px0-plugin-0.1.0/plugin.wit'), 'utf8');

const { component } = await componentize({
  sourcePath: at('src/plugin.js'),
  witWorld: `${wit}\nworld plugin { export filters; }\n`,
  worldName: 'plugin',
  // A plugin has none of these; what is left of the engine imports nothing.
  disableFeatures: ['clocks', 'fetch-event', 'http', 'random', 'stdio'],
});
await mkdir(at('target'), { recursive: true });
await writeFile(at('target/javascript-truncate.wasm'), component);
console.log(`target/javascript-truncate.wasm: ${component.length} bytes`);
