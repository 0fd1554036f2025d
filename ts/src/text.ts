/**
 * Owns how much of a text a message shows.
 *
 * Policy: names and values come from users and from files and may be of any length. What is quoted is
 * cut where it is quoted, so that the rest of the message stays readable; error-classes.ts cuts whole
 * messages, which bounds whatever was put together from many parts or came from native code.
 */

/** Characters of a name or value that a message quotes. */
export const mostQuoted = 200;

/** The text, or its beginning, its end and how much was left out between them. */
export function cut(text: string, most = mostQuoted): string {
  if (text.length <= most) return text;
  const tail = Math.floor(most / 4);
  const left = text.length - most;
  return `${text.slice(0, most - tail)}… (${left} more characters) …${text.slice(-tail)}`;
}
