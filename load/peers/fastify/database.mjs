// How the statements of a request get to PostgreSQL: as a transaction that enters the session first, on a connection that is the request's for so
// long (pg's pool, with and without its pipeline mode), or one behind the other with those of other requests on a few connections.

import pg from 'pg';

const SESSION_ENTER = 'SELECT session_enter($1, $2, $3, $4)';

/** Gives {transaction(tenant, user, statements)}, which gives the results of the statements, and (where connections are a request's own) {alone(statement)},
 *  which gives the result of one that is a transaction by itself. */
export function openDatabase({ pgSocket, connections, pipeline, shared }) {
    pg.types.setTypeParser(20, Number); // bigint: our ids are far below 2^53
    const options = { host: pgSocket, user: 'fb_app', database: 'firstbell', pipeline };
    return shared ? new Shared(options, connections) : new Pooled({ ...options, max: connections });
}

function inTransaction(tenant, user, statements) {
    const enter = { name: 'session_enter', text: SESSION_ENTER, values: [tenant, user.sid, user.sub, user.role] };
    return [{ text: 'BEGIN' }, enter, ...statements, { text: 'COMMIT' }];
}

const ofStatements = (results) => results.slice(2, -1);

class Pooled {
    constructor(options) {
        this.pool = new pg.Pool(options);
        this.send = options.pipeline ? allAtOnce : oneByOne;
    }

    alone(statement) {
        return this.pool.query(statement);
    }

    async transaction(tenant, user, statements) {
        const client = await this.pool.connect();
        let broken;
        try {
            return ofStatements(await this.send(client, inTransaction(tenant, user, statements)));
        } catch (error) {
            broken = error;
            throw error;
        } finally {
            client.release(broken);
        }
    }
}

const allAtOnce = (client, statements) => Promise.all(statements.map((statement) => client.query(statement)));

async function oneByOne(client, statements) {
    const results = [];
    for (const statement of statements) results.push(await client.query(statement));
    return results;
}

// The statements of a request are handed to pg together, so that nothing of another request comes between; what all requests of one turn of the
// event loop have to say to a connection goes out in one write. When a statement fails, PostgreSQL refuses the rest and COMMIT undoes the transaction.
class Shared {
    constructor(options, count) {
        this.clients = Array.from({ length: count }, () => {
            const client = Object.assign(new pg.Client(options), { underWay: 0, corked: false });
            client.connect();
            return client;
        });
    }

    async transaction(tenant, user, statements) {
        const client = this.clients.reduce((least, other) => (other.underWay < least.underWay ? other : least));
        client.underWay++;
        cork(client);
        try {
            return ofStatements(await allAtOnce(client, inTransaction(tenant, user, statements)));
        } finally {
            client.underWay--;
        }
    }
}

function cork(client) {
    if (client.corked) return;
    const { stream } = client.connection;
    client.corked = true;
    stream.cork();
    setImmediate(() => {
        client.corked = false;
        stream.uncork();
    });
}
