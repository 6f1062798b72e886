import { testWalks } from './walk.ts';

testWalks('scripts', 'test/e2e/scripts');
