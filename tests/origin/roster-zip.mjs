// Small rosters written by hand: a zip without compression (APPNOTE 4.3) of a few CSV files, so that a test can say exactly what stands on which line.

import { readFileSync, writeFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';

const table = Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    return c >>> 0;
});

function crc32(bytes) {
    let c = 0xffffffff;
    for (const b of bytes) c = (c >>> 8) ^ table[(c ^ b) & 0xff];
    return (c ^ 0xffffffff) >>> 0;
}

/** A zip of [name, content] pairs; names may repeat. `flags` 1 marks the entries as encrypted. */
export function makeZip(entries, { flags = 0 } = {}) {
    const parts = [];
    const directory = [];
    let offset = 0;
    for (const [name, content] of entries) {
        const path = Buffer.from(name);
        const data = Buffer.from(content);
        const common = Buffer.alloc(26); // from "version needed" to "extra length", the same in both records
        common.writeUInt16LE(20, 0);
        common.writeUInt16LE(flags, 2);
        common.writeUInt16LE(0x5a21, 8); // 2025-01-01
        common.writeUInt32LE(crc32(data), 10);
        common.writeUInt32LE(data.length, 14);
        common.writeUInt32LE(data.length, 18);
        common.writeUInt16LE(path.length, 22);
        parts.push(Buffer.from('PK\x03\x04'), common, path, data);
        const rest = Buffer.alloc(14); // comment length to offset
        rest.writeUInt32LE(offset, 10);
        directory.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), common, rest, path);
        offset += 30 + path.length + data.length;
    }
    const list = Buffer.concat(directory);
    const end = Buffer.alloc(22);
    end.write('PK\x05\x06', 'latin1');
    end.writeUInt16LE(entries.length, 8);
    end.writeUInt16LE(entries.length, 10);
    end.writeUInt32LE(list.length, 12);
    end.writeUInt32LE(offset, 16);
    return Buffer.concat([...parts, list, end]);
}

/** The files of a zip as {name: text}. */
export function readZip(file) {
    const bytes = readFileSync(file);
    const end = bytes.lastIndexOf('PK\x05\x06', undefined, 'latin1');
    const files = {};
    for (let at = bytes.readUInt32LE(end + 16), n = bytes.readUInt16LE(end + 10); n > 0; n--) {
        const [size, nameLength, extraLength, commentLength] = [bytes.readUInt32LE(at + 20), ...[28, 30, 32].map((k) => bytes.readUInt16LE(at + k))];
        const entry = bytes.readUInt32LE(at + 42);
        const data = entry + 30 + bytes.readUInt16LE(entry + 26) + bytes.readUInt16LE(entry + 28);
        files[bytes.toString('utf8', at + 46, at + 46 + nameLength)] = inflateRawSync(bytes.subarray(data, data + size)).toString();
        at += 46 + nameLength + extraLength + commentLength;
    }
    return files;
}

const kinds = ['academicSessions', 'categories', 'classes', 'classResources', 'courses', 'courseResources', 'demographics', 'enrollments', 'lineItems',
    'orgs', 'resources', 'results', 'users'];

export const headers = {
    academicSessions: 'sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear',
    classes:
        'sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,schoolSourcedId,termSourcedIds,subjects,' +
        'subjectCodes,periods',
    courses: 'sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,subjects,subjectCodes',
    enrollments: 'sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate',
    orgs: 'sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId',
    users:
        'sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,middleName,identifier,email,sms,' +
        'phone,agentSourcedIds,grades,password',
};

/** manifest.csv with these modes; what is not named is absent. */
export function manifest(modes, { version = '1.1' } = {}) {
    const lines = kinds.map((kind) => `file.${kind},${modes[kind] ?? 'absent'}`);
    return ['propertyName,value', 'manifest.version,1.0', `oneroster.version,${version}`, ...lines, ''].join('\r\n');
}

/** The rows of one school with two classes, two students and a teacher, by file; a test replaces what it is about. */
export function school() {
    return {
        orgs: ['d,,,District,district,1,', 's,,,School,school,2,d'],
        academicSessions: ['y,,,2026-2027,schoolYear,2026-08-17,2027-06-11,,2027', 'fall,,,Fall,term,2026-08-17,2027-01-15,y,2027'],
        courses: ['c,,,y,Science 7,SCI,"07,08",d,Science,'],
        classes: ['k1,,,"Science 7, section 1",07,c,SCI-1,scheduled,,s,fall,,,1', 'k2,,,Science 7/2,07,c,SCI-2,homeroom,,s,"fall,y",,,'],
        users: [
            'u1,,,true,s,student,anna,"{SIS:1},{LDAP:x}",Anna,"O""Hara",,1,,,,g1,07,',
            'u2,,,true,"s,d",student,Ben,,Ben\\n,{tab},,,,,,,07,',
            't1,,,true,s,teacher,tess,,Tess,Teacher,,,t@example.org,,,,,top-secret-word',
        ],
        enrollments: ['e1,,,k1,s,u1,student,,,', 'e2,,,k1,s,u2,student,,2026-08-17,2027-01-15', 'e3,,,k1,s,t1,teacher,true,,', 'e4,,,k2,s,u1,student,,,'],
    };
}

/** Writes a roster: `rows` by file (as of school()), bulk unless `modes` says otherwise; `extra` entries stand before the manifest. Gives the path. */
export function writeRoster(file, rows, { modes = {}, extra = [], version, zip } = {}) {
    const present = Object.fromEntries(Object.keys(rows).map((kind) => [kind, 'bulk']));
    const csv = Object.entries(rows).map(([kind, lines]) => [`${kind}.csv`, [headers[kind], ...lines, ''].join('\n')]);
    // The manifest is last on purpose: it may stand anywhere.
    writeFileSync(file, makeZip([...csv, ...extra, ['manifest.csv', manifest({ ...present, ...modes }, { version })]], zip));
    return file;
}
