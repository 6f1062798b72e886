import type { UserInfo } from '../request.ts';

/**
 * Static bearer tokens from a CSV text, one a line: `token,user,uid` and optionally `"group1,group2"` (the format of
 * `--token-auth-file`). Throws for a line with fewer than three columns.
 */
export function parseTokenFile(text: string): Map<string, UserInfo> {
  const tokens = new Map<string, UserInfo>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [token, username, uid, groups = ''] = columnsOf(line);
    if (!token || !username || uid === undefined) {
      // The line itself may hold a token: it is not shown.
      throw new Error(`token file, line ${index + 1}: expected token,user,uid[,"group1,group2"]`);
    }
    const names = groups.split(',').map((name) => name.trim());
    tokens.set(token, { username, groups: names.filter(Boolean), ...(uid ? { uid } : {}) });
  }
  return tokens;
}

function columnsOf(line: string): string[] {
  const cells = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g);
  return [...cells].map(([, quoted, plain]) => (quoted === undefined ? plain!.trim() : quoted.replaceAll('""', '"')));
}
