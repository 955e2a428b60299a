import { headingAnchor } from './heading-anchor.ts';

/** Lists the anchors of a page's headings; a heading that comes again gets `-1`, `-2` and so on, as on GitHub. */
export function headingAnchors(text: string): string[] {
  const anchors: string[] = [];
  const counts = new Map<string, number>();
  const prose = text.replaceAll(/^ *(`{3,}|~{3,})[^\n]*\n[\s\S]*?^ *\1`*[ \t]*$/gm, '');
  for (const match of prose.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const anchor = headingAnchor(match[1]!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'));
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    anchors.push(count === 0 ? anchor : `${anchor}-${count}`);
  }
  for (const match of prose.matchAll(/<a id="([^"]+)"/g)) anchors.push(match[1]!);
  return anchors;
}
