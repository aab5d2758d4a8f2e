// The one style sheet of all pages: light and dark, from 320 pixels on. Contrasts are at least 4.5 : 1 (WCAG 2.2 AA), targets at least
// 44 pixels high, and no word is so long that it makes a page wider than its window.

export const PAGE_STYLE =
  ':root{color-scheme:light dark;--text:#1c2733;--soft:#4c5967;--back:#f3f5f7;--card:#fff;--line:#c9d1d9;--link:#0b5cad;--on:#fff}' +
  '@media(prefers-color-scheme:dark){:root{--text:#dfe5ec;--soft:#a9b4c0;--back:#14181d;--card:#1e242b;--line:#3d4854;--link:#7db8f0;--on:#0d1b2a}}' +
  '*{box-sizing:border-box}' +
  'body{margin:0;padding:1rem;font:1rem/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);overflow-wrap:anywhere}' +
  'header,main,footer{max-width:36rem;margin:1rem auto}' +
  'header{margin-top:6vh;font-weight:600}header img{display:block;max-width:100%;max-height:4rem}' +
  'main{padding:1.5rem;background:var(--card);border:1px solid var(--line);border-radius:.5rem}' +
  'h1{font-size:1.4rem;line-height:1.3;margin:0 0 1rem}h2{font-size:1rem;margin:0}' +
  'ul{list-style:none;margin:0;padding:0}li{padding:1rem 0;border-top:1px solid var(--line)}li p{margin:.25rem 0 .75rem}' +
  'a{color:var(--link)}' +
  '.actions{display:flex;flex-wrap:wrap;align-items:center;gap:.75rem 1.5rem;margin:1.5rem 0}.actions form{margin:0}' +
  '.actions a{display:inline-block;padding:.6rem 0}' +
  'button,.actions a:first-child{font:inherit;text-align:left;padding:.6rem 1.1rem;border:1px solid var(--link);border-radius:.3rem;background:var(--link);color:var(--on);text-decoration:none;cursor:pointer;min-height:2.75rem}' +
  'a:focus-visible,button:focus-visible{outline:3px solid var(--text);outline-offset:2px}' +
  'section{margin-top:1.5rem;padding-top:1rem;border-top:1px solid var(--line);color:var(--soft);font-size:.9rem}' +
  'section p{margin:.25rem 0 .75rem}dl{margin:0}dl div{display:flex;flex-wrap:wrap;gap:0 .75rem}dt{min-width:8rem}dd{margin:0;color:var(--text)}' +
  'footer a{display:inline-block;padding:.6rem 0}' +
  '@media(forced-colors:active){button,.actions a:first-child{border-color:ButtonText}}';
