// A district's own words in the edge's answers: they arrive as they were written, and stay words whatever they are.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newPlace } from '../lib/place.mjs';
import { waitFor } from '../lib/wait.mjs';
import { publish, snapshot, startEdge, tenant } from './support.mjs';

const place = newPlace();
let edge;

const words = {
    plain: 'We are back on Monday.',
    script: `<script>alert("1")</script><img src=x onerror='alert(2)'> --></p><!--# echo var="bell_tenant" -->`,
    lines: 'One\nTwo\tthree\n\n"four" \\ & &lt; \u2028 five',
    arabic: 'المدرسة مغلقة حتى يوم الاثنين ‮12:00‬ 🎓',
    long: '"'.repeat(4000),
    controls: 'a\u0001b\u007fc\u0085d\re',
};
const tenants = (all) => Object.entries(all).map(([name, text], i) => tenant(i + 1, name, [`${name}.example`], { status: 'suspended', title: text.slice(0, 300), notice: text }));
const quiet = tenant(50, 'quiet', ['quiet.example'], { title: '', status: 'suspended' });
const open = tenant(51, 'open', ['open.example'], { notice: 'not now' });

const server = `
    error_page 503 = $said;
    error_page 404 = /html;
    location / { return 200 '$bell_tenant_notice_html'; }
    location /html { default_type text/html; return 200 '<p title="$bell_tenant_title_html">$bell_tenant_notice_html</p>'; }
    location /json { default_type application/json; return 200 '{"title":"$bell_tenant_title_json","notice":"$bell_tenant_notice_json"}'; }
    location /page { internal; ssi on; default_type text/html; alias ${place.dir}/page; }
`;

before(async () => {
    place.write('page', `[<!--# if expr="$bell_tenant_notice_html" --><!--# echo var="bell_tenant_notice_html" encoding="none" --><!--# else -->nothing<!--# endif -->]`);
    const http = 'map $uri $said { default /html; "~json" /json; "~page" /page; }';
    edge = await startEdge(place, { tenants: [...tenants(words), quiet, open], server, http });
});

after(() => place.stop());

const clean = (text) => text.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, '');
const unescaped = (html) => html.replace(/&(amp|lt|gt|quot|#39|#92|#10|#9);/g, (_, name) => ({ amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#92': '\\', '#10': '\n', '#9': '\t' })[name]);

for (const [name, text] of Object.entries(words)) {
    test(`${name}: in HTML, between tags and in a value`, async () => {
        const { text: html } = await edge.ask(`${name}.example`, '/html');
        const [, title, notice] = /^<p title="([^"'<>]*)">([^"'<>]*)<\/p>$/.exec(html) ?? assert.fail(html);
        assert.equal(unescaped(title), clean(text.slice(0, 300)));
        assert.equal(unescaped(notice), clean(text));
    });

    test(`${name}: in JSON, which could stand in HTML by mistake`, async () => {
        const reply = await edge.ask(`${name}.example`, '/json');
        assert.deepEqual(reply.json, { title: clean(text.slice(0, 300)), notice: clean(text) });
        assert.doesNotMatch(reply.text, /[<>&'\u2028\u2029]/);
    });

    test(`${name}: in a page of server-side includes, which reads nothing into it`, async () => {
        const reply = await edge.ask(`${name}.example`, '/page');
        assert.equal(unescaped(reply.text), `[${clean(text)}]`);
    });
}

test('who has said nothing, and a host of nobody, have empty ones', async () => {
    assert.equal((await edge.ask('quiet.example', '/html')).text, '<p title=""></p>');
    assert.deepEqual((await edge.ask('quiet.example', '/json')).json, { title: '', notice: '' });
    assert.equal((await edge.ask('quiet.example', '/page')).text, '[nothing]');
    assert.equal((await edge.ask('nobody.example', '/')).text, '<p title=""></p>');
});

test('they are there for districts that are not suspended, too', async () => {
    assert.equal((await edge.ask('open.example', '/')).text, 'not now');
});

test('a change is said without a reload', async () => {
    publish(place, snapshot(2, [...tenants({ ...words, plain: 'We are back on Tuesday.' }), quiet, open]));
    await waitFor('the new words', async () => (await edge.ask('plain.example', '/json')).json.notice === 'We are back on Tuesday.');
});
