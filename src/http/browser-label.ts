// What a person calls the browser that a session began in, from its User-Agent: family and system, nothing more. For lists of sessions
// alone: no verdict depends on it, and a client may say what it likes.

/** The first that fits: most browsers name others besides themselves. */
const FAMILIES: readonly (readonly [RegExp, string])[] = [
  [/\b(?:Edg|EdgA|EdgiOS|Edge)\//, 'Edge'],
  [/\b(?:OPR|OPX|OPiOS|Opera)\b/, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\bVivaldi\//, 'Vivaldi'],
  [/\b(?:Firefox|FxiOS)\//, 'Firefox'],
  [/\b(?:Chrome|Chromium|CriOS|HeadlessChrome)\//, 'Chrome'],
  [/\bVersion\/[\d.]+ (?:Mobile\/\w+ )?Safari\//, 'Safari'],
  [/^curl\//, 'curl'],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/\bWindows\b/, 'Windows'],
  [/\b(?:iPhone|iPod)\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\b(?:Macintosh|Mac OS X)\b/, 'macOS'],
  [/\bLinux\b/, 'Linux'],
];

/** Longer than any browser's: what is behind it is not looked at. */
const LONGEST = 512;

/** '' when neither is known. */
export function browserLabel(userAgent: string): string {
  const told = userAgent.slice(0, LONGEST);
  const nameIn = (table: typeof FAMILIES): string => table.find(([sign]) => sign.test(told))?.[1] ?? '';
  return [nameIn(FAMILIES), nameIn(SYSTEMS)].filter((name) => name !== '').join(', ');
}
