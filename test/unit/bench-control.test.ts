import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatControl } from '../bench/control-report.ts';

const sure = 0.96;
const interval = (median: number, spread = 1, confidence = sure) => ({
  ...{ median, low: median - spread, high: median + spread, confidence },
});

test('who needs less is told only where the intervals lie apart, and all have figures', () => {
  const text = formatControl([
    {
      ...{ servers: 4, services: 20, contestant: 'oneip' },
      figures: { 'start, ms': interval(30), 'server out, ms': interval(10), 'reload, ms': interval(5) },
    },
    {
      ...{ servers: 4, services: 20, contestant: 'nftlb' },
      figures: { 'start, ms': interval(20), 'server out, ms': interval(11), 'resident, KiB': interval(5000, 10) },
    },
  ]);
  assert.equal(text.split('\n'), [
    '| 4 servers, 20 services | oneip | nftlb | who needs less |',
    '| --- | --- | --- | --- |',
    '| start, ms | 30.0 (29.0–31.0) | 20.0 (19.0–21.0) | nftlb |',
    '| server out, ms | 10.0 (9.0–11.0) | 11.0 (10.0–12.0) | cannot tell |',
    '| reload, ms | 5.0 (4.0–6.0) | – |  |',
    '| resident, KiB | – | 5000 (4990–5010) |  |',
    '',
  ]);
});

test('few rounds conclude nothing; one contestant is compared with nobody', () => {
  const few = (contestant: string, median: number) => ({
    ...{ servers: 4, services: 1, contestant },
    figures: { 'start, ms': interval(median, 1, 0.5) },
  });
  assert.match(formatControl([few('oneip', 30), few('nftlb', 20)]), /\| too few rounds \|$/m);
  assert.equal(formatControl([few('oneip', 30)]).split('\n'), [
    '| 4 servers, 1 service | oneip |',
    '| --- | --- |',
    '| start, ms | 30.0 (29.0–31.0) |',
    '',
  ]);
});

test.run();
