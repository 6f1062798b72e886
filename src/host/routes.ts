import { CommandError, run } from './exec.ts';

/** A route of this process's network namespace. */
export interface Route {
  /** CIDR, or `default`. */
  readonly destination: string;
  /** Next hop; without one and without a link the destination is unreachable. */
  readonly via?: string;
  readonly device?: string;
  /** Source address of this machine's own packets. */
  readonly source?: string;
}

/** Where routes are changed. */
export interface Routes {
  replace(route: Route): Promise<void>;
  delete(destination: string): Promise<void>;
}

export const realRoutes: Routes = {
  async replace(route) {
    await run(['ip', 'route', 'replace', ...routeArguments(route)]);
  },
  async delete(destination) {
    try {
      await run(['ip', 'route', 'delete', destination]);
    } catch (error) {
      if (!(error instanceof CommandError && error.stderr.includes('No such process'))) throw error;
    }
  },
};

/** The words of `ip route` for a route. */
export function routeArguments({ destination, via, device, source }: Route): string[] {
  if (!via && !device) return ['unreachable', destination];
  const words = [destination];
  if (via) words.push('via', via);
  if (device) words.push('dev', device);
  if (source) words.push('src', source);
  return words;
}
