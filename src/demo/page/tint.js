/** Gives an element the colour of a server: neighbours in the alphabet are far apart on the colour wheel. */
export function tint(element, server) {
  const index = (server ?? 'a').charCodeAt(0) - 97;
  element.style.setProperty('--hue', String((225 + index * 137.5) % 360));
}
