// `pages`: the logo becomes a part of every page or stays an https URL, and nothing else gets into a page.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadConfig } from '../../src/config/load.js';
import { diskOf, loaded, problemsOf } from './setup.js';

const PNG = Buffer.concat([Buffer.from([0x89]), Buffer.from('PNG\r\n\x1a\n'), Buffer.from([0, 0xff, 0x80])]);

function load(pages: unknown, files: Readonly<Record<string, Buffer>> = {}) {
  return loadConfig({
    env: {},
    cwd: '/etc/akprox',
    readFile: diskOf({ '/etc/akprox/akprox.yaml': JSON.stringify({ pages }) }),
    readBytes: (path) => files[path] ?? assert.fail(Object.assign(new Error(path), { code: 'ENOENT' })),
  });
}

const logoOf = (content: Buffer): string =>
  loaded(load({ logo: 'logo' }, { '/etc/akprox/logo': content })).config.pages.logo;

describe('pages', () => {
  it('have nothing of the operator unless it is set', () => {
    assert.deepEqual(loaded(load(undefined)).config.pages, { logo: '', name: '', help_url: '' });
  });

  it('have the logo of a file, whatever its name, by how it begins', () => {
    assert.equal(logoOf(PNG), `data:image/png;base64,${PNG.toString('base64')}`);
    for (const [start, type] of [
      ['\xff\xd8\xff\xe0', 'jpeg'],
      ['GIF89a', 'gif'],
      ['RIFF\0\n\0\0WEBPVP8 ', 'webp'],
      ['<svg xmlns="http://www.w3.org/2000/svg"/>', 'svg+xml'],
      ['\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a logo -->\n<svg>', 'svg+xml'],
    ] as const) {
      const content = Buffer.from(start, 'latin1');
      assert.equal(logoOf(content), `data:image/${type};base64,${content.toString('base64')}`);
    }
    assert.ok(logoOf(Buffer.concat([PNG, Buffer.alloc(6_144 - PNG.length)])).length > 6_144);
  });

  it('have the logo of an https URL, a name and a link to help', () => {
    const pages = {
      logo: 'https://cdn.company.tld/logo.svg?v=1',
      name: 'Compañía “ÄÖ”',
      help_url: 'mailto:help@company.tld',
    };
    assert.deepEqual(loaded(load(pages)).config.pages, pages);
    for (const help_url of ['http://help.intra/', 'HTTPS://help.company.tld/a?b=c#d']) loaded(load({ help_url }));
  });

  const LOGO = 'expected an https:// URL or the path of a file';
  const HELP = 'expected an http://, https:// or mailto: URL';
  for (const [what, pages, problem] of [
    ['a logo over http', { logo: 'http://a/b.png' }, { 'pages.logo': LOGO }],
    ['a logo that is a script', { logo: 'javascript:alert(1)' }, { 'pages.logo': LOGO }],
    ['a logo that is data', { logo: 'data:text/html,x' }, { 'pages.logo': LOGO }],
    ['a logo with a password', { logo: 'https://u:p@a/b' }, { 'pages.logo': LOGO }],
    ['a logo that is no URL', { logo: 'https://a b/' }, { 'pages.logo': LOGO }],
    ['help that is a script', { help_url: 'javascript:alert(1)' }, { 'pages.help_url': HELP }],
    ['help that is a word', { help_url: 'help' }, { 'pages.help_url': HELP }],
    ['a name of two lines', { name: 'a\nb' }, { 'pages.name': 'expected one line of text' }],
    [
      'wrong types',
      { logo: 1, help_url: [] },
      {
        'pages.help_url': 'expected string, found array',
        'pages.logo': 'expected string, found number: put it into quotes',
      },
    ],
  ] as const) {
    it(`refuse ${what}`, () => assert.deepEqual(problemsOf(load(pages)), problem));
  }

  it('refuse a file that is not there, is too large or no image', () => {
    const problem = (content: Buffer | undefined): string =>
      problemsOf(load({ logo: 'x' }, content && { '/etc/akprox/x': content }))['pages.logo'] ?? '';
    assert.match(problem(undefined), /^file x cannot be read/);
    assert.match(problem(Buffer.concat([PNG, Buffer.alloc(6_144)])), /^file x has more than 6144 bytes/);
    for (const text of ['', 'secret', '<html>', '<svgx>', ' PNG'])
      assert.equal(problem(Buffer.from(text)), 'file x is not a PNG, JPEG, GIF, WebP or SVG image');
  });
});
