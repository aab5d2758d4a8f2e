// The commands that README and the pages for operators name: lines of their shell blocks, and code in a sentence that begins with a program.
import { readdirSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);
const PROGRAMS =
  /^(?:[A-Z_]+=\S+ )?(?:akprox(?: --?[a-z]| (?:check|doctor|healthcheck|import|reload|schema|secret|sessions|status)\b|$)|npm |npx |node --|openssl |kubectl |docker |helm |systemctl |promtool |curl |nginx -|caddy |envoy --|haproxy -|cp |mkdir |sudo )/;

export interface Documented {
  readonly page: string;
  readonly command: string;
}

export function documentedCommands(): Documented[] {
  const pages = ['README.md', 'docs/operations.md', 'docs/upgrade.md', 'docs/licences.md'];
  for (const folder of ['deploy', 'docs/moving-in']) {
    const files = readdirSync(new URL(folder, ROOT), { recursive: true, encoding: 'utf8' });
    pages.push(...files.filter((file) => file.endsWith('.md')).map((file) => `${folder}/${file}`));
  }
  return pages.flatMap((page) => {
    const text = readFileSync(new URL(page, ROOT), 'utf8').replaceAll('\r', '');
    const blocks = [...text.matchAll(/^```(?:sh|bash|shell|console)\n([\s\S]*?)^```/gm)].map(([, block = '']) => block);
    const lines = blocks.flatMap((block) => block.replace(/\\\n\s*/g, '').split('\n'));
    const sentences = text.replace(/^```[\s\S]*?^```/gm, '');
    const inline = [...sentences.matchAll(/`([^`]+)`/g)]
      .map(([, code = '']) => code.replaceAll('\n', ' '))
      .filter((code) => PROGRAMS.test(code));
    return [...lines, ...inline]
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((command) => command !== '')
      .map((command) => ({ page, command }));
  });
}
