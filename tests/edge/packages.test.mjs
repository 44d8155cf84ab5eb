// How Debian's packages of the modules would be loaded: dh_nginx makes the load files and their numbers, nginx includes them by name. Core has to come
// first, also before a module whose name comes before its own.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

import { checkout } from '../lib/app.mjs';
import { newPlace } from '../lib/place.mjs';
import { mustRun } from '../lib/run.mjs';
import { modulePath, testNginx } from '../lib/server-nginx.mjs';
import { nginxConf, probePath, publish, snapshot, startEdge, twoTenants } from './support.mjs';

const modules = 'build';
const core = 'libnginx-mod-http-bell-core';
const others = readdirSync(path.join(checkout, 'conf/debian')).filter((name) => name.endsWith('.nginx') && name !== `${core}.nginx`).map((name) => path.basename(name, '.nginx'));
const early = 'libnginx-mod-http-bell-area'; // stands for a module of Firstbell whose name comes before core's
const skip = existsSync('/usr/bin/dh_nginx') ? false : 'dh_nginx was not found; the Debian package nginx-dev has it';

function control() {
    const binary = (name) => `Package: ${name}\nArchitecture: any\nDescription: a module\n a module.\n`;
    return `Source: firstbell\nSection: httpd\nPriority: optional\nMaintainer: Nobody <nobody@localhost>\nStandards-Version: 4.6.2\n\n${[core, ...others, early].map(binary).join('\n')}`;
}

/** A source package of two modules, through dh_nginx: gives the folder that modules-enabled would be, and the load files by name. */
async function packaged(place) {
    const source = place.folder('source');
    const put = (name, content) => place.write(path.join('source', name), content);
    put('debian/control', control());
    put('debian/changelog', 'firstbell (1.0) unstable; urgency=low\n\n  * One.\n\n -- Nobody <nobody@localhost>  Mon, 01 Jan 2024 00:00:00 +0000\n');
    put('debian/compat', '13\n');
    for (const folder of ['build', 'conf', 'conf/nginx']) place.folder(path.join('source', folder));
    for (const name of [core, ...others]) {
        const module = name.replace('libnginx-mod-http-', '');
        const so = `ngx_http_${module.replaceAll('-', '_')}_module`;
        put(`debian/${name}.nginx`, readFileSync(path.join(checkout, `conf/debian/${name}.nginx`)));
        put(`conf/nginx/modules/mod-http-${module}.conf`, readFileSync(path.join(checkout, `conf/nginx/modules/mod-http-${module}.conf`)));
        put(`build/${so}.so`, readFileSync(modulePath(so, modules)));
    }
    // without a file of its own dh_nginx guesses by the package's name
    for (const folder of ['', 'usr', 'usr/lib', 'usr/lib/nginx']) place.folder(path.join(`source/debian/${early}`, folder));
    put(`debian/${early}/usr/lib/nginx/modules/ngx_http_bell_area_module.so`, readFileSync(probePath(place, modules)));
    await mustRun(['dh_nginx'], { cwd: source, env: { DH_COMPAT: '13', HOME: place.dir } });

    const enabled = place.folder('modules-enabled');
    for (const name of [core, ...others, early]) {
        const script = place.read(`source/debian/${name}.postinst.debhelper`);
        for (const [, file, link] of script.matchAll(/\b(mod-[a-z-]+\.conf):(\d+-mod-[a-z-]+\.conf)/g)) {
            if (existsSync(path.join(enabled, link))) continue;
            symlinkSync(path.join(source, 'debian', name, 'usr/share/nginx/modules-available', file), path.join(enabled, link));
        }
    }
    return enabled;
}

/** "load_module modules/…" is relative to where the distribution keeps its modules: here that is the place. */
function installModules(place, enabled) {
    mkdirSync(place.path('modules'), { recursive: true });
    for (const name of [core, ...others, early]) {
        const from = place.path('source/debian', name, 'usr/lib/nginx/modules');
        for (const file of readdirSync(from)) symlinkSync(path.join(from, file), place.path('modules', file));
    }
    return `include ${enabled}/*.conf;`;
}

test('core comes first under the numbers of dh_nginx, and nginx loads them so', { skip }, async (t) => {
    const place = newPlace();
    t.after(() => place.stop());
    const enabled = await packaged(place);
    assert.deepEqual(readdirSync(enabled).sort(), ['10-mod-http-bell-core.conf', '50-mod-http-bell-area.conf', ...others.map((name) => `50-${name.replace('libnginx-', '')}.conf`)].sort());
    place.write('page', 'page\n');
    const server = `location / { root ${place.dir}; try_files /page =404; }`;
    const edge = await startEdge(place, { load: installModules(place, enabled), modules, server });
    assert.equal((await edge.ask('north.example')).headers['probe-tenant'], 'north');
});

test('with one number for all, nginx would refuse: the names decide then', { skip }, async (t) => {
    const place = newPlace();
    place.expect(/is loaded before ngx_http_bell_core_module/);
    t.after(() => place.stop());
    const enabled = await packaged(place);
    const same = place.folder('same-number');
    for (const link of readdirSync(enabled)) symlinkSync(path.join(enabled, link), path.join(same, link.replace(/^\d+/, '50')));
    publish(place, snapshot(1, twoTenants));
    const conf = nginxConf(place, 8080, { load: installModules(place, same), modules });
    const { code, stderr } = await testNginx(place, { conf, modules });
    assert.notEqual(code, 0);
    assert.match(stderr, /is loaded before ngx_http_bell_core_module, which it needs: load core first/);
});
