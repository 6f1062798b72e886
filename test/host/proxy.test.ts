import { testMode } from './proxy-mode.ts';

testMode({ mode: 'nftables', programs: ['nft'] });
