// SPDX-License-Identifier: MIT
// One program of a pool, for Node: HTTP with keep-alive on the socket that it is given. It knows nothing of readiness
// messages. At SIGTERM it takes no more connections, closes the idle ones, and ends when the others are answered.
'use strict';
const fs = require('fs');
const http = require('http');

const body = fs.readFileSync(process.env.BODY);
const server = http.createServer((request, response) => {
	response.end(request.url === '/who' ? String(process.pid) : body);
});
if (process.env.LISTEN_FDS !== '1' || process.env.LISTEN_PID !== String(process.pid))
	throw new Error('no socket');
process.on('SIGTERM', () => {
	console.log('node ends');
	server.close();
	server.closeIdleConnections();
});
server.listen({ fd: 3 }, () => console.log('node serves'));
