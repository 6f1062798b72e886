import { testMode } from './proxy-mode.ts';

testMode({ mode: 'nftables', programs: ['nft'] });
testMode({ mode: 'nftables', family: 6, programs: ['nft'] });
