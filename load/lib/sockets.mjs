import net from 'node:net';

/** Whether something takes connections on the unix socket. */
export function canConnectTo(socketPath) {
    return new Promise((resolve) => {
        const socket = net.connect(socketPath, () => {
            socket.destroy();
            resolve(true);
        });
        socket.on('error', () => resolve(false));
    });
}
