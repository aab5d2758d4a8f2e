// Judges what `npm audit --omit=dev --json` printed, from standard input. Exit code 1: what is shipped has a known vulnerability of
// high or critical severity. A registry without an audit endpoint (many mirrors have none) says nothing about this tree: one line, 0.
import { text } from 'node:stream/consumers';

const printed = await text(process.stdin);
const report = parse(printed);
const found = report?.metadata?.vulnerabilities;

if (typeof found?.high !== 'number' || typeof found.critical !== 'number') {
  console.log('npm audit: the registry does not answer; nothing is known');
} else if (found.high + found.critical === 0) {
  console.log('npm audit: nothing of high severity in what is shipped');
} else {
  for (const { name, severity, range } of Object.values(report.vulnerabilities ?? {})) {
    if (severity === 'high' || severity === 'critical') console.error(`npm audit: ${name} ${range}: ${severity}`);
  }
  process.exitCode = 1;
}

function parse(json) {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
