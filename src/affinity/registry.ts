import type { AffinityConfigOf } from '../config/schema.ts';
import { AppCookieAffinity } from './app-cookie.ts';
import { CookieAffinity } from './cookie.ts';
import { HeaderAffinity } from './header.ts';
import { IpAffinity } from './ip.ts';
import { QueryAffinity } from './query.ts';
import type { AffinityStrategy, KeySource, StrategyContext } from './strategy.ts';
import { TokenAffinity } from './token.ts';

/** Makes one strategy; `path` is its place in the configuration, for messages. @throws StartError */
type StrategyFactory<By extends KeySource> = (
  config: AffinityConfigOf<By>,
  context: StrategyContext,
  path: string,
) => AffinityStrategy;

/** Every key source by its name in the configuration. */
export const STRATEGIES: { readonly [By in KeySource]: StrategyFactory<By> } = {
  cookie: (config, context) => new CookieAffinity(config, context),
  'app-cookie': (config, context) => new AppCookieAffinity(config, context),
  header: (config, context) => new HeaderAffinity(config, context),
  query: (config, context) => new QueryAffinity(config, context),
  token: (config, context, path) => new TokenAffinity(config, context, path),
  ip: (config, context) => new IpAffinity(config, context),
};
