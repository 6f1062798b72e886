import { testWalks } from './walk.ts';

testWalks('walkthroughs', 'examples/walkthroughs');
