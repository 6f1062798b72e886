import { testMode } from './proxy-mode.ts';

// Debian has both: the one over nftables is its own choice, the other is what older kernels and distributions run.
testMode({ mode: 'iptables', options: { iptables: 'nft' }, programs: ['iptables-nft-restore'] });
testMode({ mode: 'iptables', options: { iptables: 'legacy' }, programs: ['iptables-legacy-restore'] });
