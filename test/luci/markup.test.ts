import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Expression, Node } from 'typescript';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resources } from './module.ts';
import { readScript, ts } from './syntax.ts';

// A text that LuCI's `E` gets by itself is HTML; in a list it is text. Pages show what servers and programs have said, so
// that every text has to be in a list.

/** Calls that make an element, or a list of elements. */
const makers = /^(E|this\.render\w*|oneip\.(badge|bar|line)|.*\.map)$/s;

/** True where an expression can only be an element, a list, or nothing. */
function isNoText(node: Expression): boolean {
  if (ts.isParenthesizedExpression(node)) return isNoText(node.expression);
  if (ts.isConditionalExpression(node)) return isNoText(node.whenTrue) && isNoText(node.whenFalse);
  if (ts.isCallExpression(node)) return makers.test(node.expression.getText());
  return ts.isArrayLiteralExpression(node) || node.kind === ts.SyntaxKind.NullKeyword;
}

/** What a call puts into an element: that of `E`, of `dom`, or the title of a dialogue. */
function content(called: string, args: readonly Expression[]): Expression | undefined {
  if (called === 'ui.showModal') return args[0];
  if (called === 'dom.content' || called === 'dom.append') return args[1];
  if (called !== 'E') return undefined;
  return args.length === 2 && args[1] && ts.isObjectLiteralExpression(args[1]) ? undefined : args[args.length - 1];
}

function bareTexts(file: string): string[] {
  const found: string[] = [];
  const visit = (node: Node): void => {
    if (ts.isCallExpression(node)) {
      const made = content(node.expression.getText(), node.arguments);
      const isName = node.arguments.length === 1;
      if (made && !isName && !isNoText(made)) found.push(node.getText());
    }
    ts.forEachChild(node, visit);
  };
  visit(readScript(file));
  return found;
}

for (const name of readdirSync(resources, { recursive: true, encoding: 'utf8' }).filter((path) =>
  path.endsWith('.js'),
)) {
  test(`${name}: no text becomes markup`, () => assert.equal(bareTexts(join(resources, name)), []));
}

test.run();
