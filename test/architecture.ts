import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderRooms, replaceRooms } from './architecture-document.ts';
import { ROOT } from './source.ts';

/** Draws the rooms in ARCHITECTURE.md anew: prints them, or writes the file with `--write`. */
const path = join(ROOT, 'ARCHITECTURE.md');
const block = renderRooms();
const document = replaceRooms(readFileSync(path, 'utf8'), block);
if (document === undefined) throw new Error('Cannot draw the rooms in ARCHITECTURE.md: its markers are missing');
if (process.argv.includes('--write')) writeFileSync(path, document);
else console.log(block);
