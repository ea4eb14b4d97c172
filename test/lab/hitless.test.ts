import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { withControl } from './control-client.ts';
import { hitlessConfiguration, HitlessRun, type RunReport } from './hitless-run.ts';
import { withLab } from './lab.ts';
import { figure } from './scenario.ts';

const counts = { tcp: 400, udp: 100, fresh: 50 };
/** Seconds of changes; after each round clients connect anew. */
const rounds = (globalThis as { ONEIP_FULL?: boolean }).ONEIP_FULL === true ? [20, 20, 20] : [8, 4];
const seed = Number(process.env['ONEIP_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

for (const [index, hash] of ['source', 'source_port'].entries()) {
  test(`whatever happens to servers, only their own failure breaks connections: hash '${hash}'`, () =>
    withLab({ servers: 8 }, (lab) =>
      withControl(lab, hitlessConfiguration(lab, { hash }), async (control) => {
        figure(`hash '${hash}', ONEIP_SEED=${seed}`);
        const report = await new HitlessRun(lab, control, { seed: seed + index, counts, rounds }).run();
        assertHitless(report);
        assert.ok(report.actions >= rounds.reduce((sum, seconds) => sum + seconds, 0), 'enough has happened');
        assert.ok(report.transitions >= 1, 'a transition ended by itself');
        assert.is((await control.status()).failing, undefined);
        assert.not.match(await lab.router.run(['nft', 'list', 'ruleset']), /web\/(moved|flow4|flow6)/);
      }),
    ));
}

/** All that nobody's failure explains. */
function assertHitless({ breaks, attempts, losses, falseAlarms, complaints }: RunReport): void {
  assert.equal(falseAlarms, [], 'servers taken out that were well');
  assert.equal(breaks, [], 'flows broken');
  assert.equal(attempts, [], 'new connections failed or hung');
  assert.equal(losses, [], 'datagrams lost');
  assert.equal(complaints, []);
}

test.run();
