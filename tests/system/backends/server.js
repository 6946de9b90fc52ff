// SPDX-License-Identifier: MIT
// A server in Node.js: tells what it was told, writes in parts, and speaks WebSocket (RFC 6455), by hand, since Node has no server
// for that: node server.js NAME PORT-OR-PATH
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const http = require('http');

const [name, at] = process.argv.slice(2);
let connections = 0, sockets = 0;

function whenThere(file, action) {
	if (fs.existsSync(file))
		action();
	else
		setTimeout(whenThere, 5, file, action);
}

function tell(request, response) {
	const hash = crypto.createHash('sha256');
	let length = 0;

	request.on('data', (piece) => {
		hash.update(piece);
		length += piece.length;
	});
	request.on('end', () => {
		const body = JSON.stringify({
			name, connections, sockets, length, sha256: hash.digest('hex'),
			method: request.method, url: request.url, headers: request.headers, trailers: request.trailers,
		});
		response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
		response.end(body);
	});
}

const pages = {
	'/tell': tell,
	'/parts': (request, response, query) => {
		response.writeHead(200, { 'Content-Type': 'text/event-stream' });
		response.write('one\n');
		whenThere(query.get('gate'), () => response.end('two\n'));
	},
	'/page': (request, response) => {
		const page = fs.readFileSync(process.env.PAGE);

		response.writeHead(200, { 'Content-Length': page.length });
		response.end(page);
	},
	// What comes goes back while it comes.
	'/mirror': (request, response) => {
		response.writeHead(200);
		request.pipe(response);
	},
	'/trailers': (request, response) => {
		response.writeHead(200, { Trailer: 'X-Sum' });
		response.write('some content\n');
		response.addTrailers({ 'X-Sum': '42' });
		response.end();
	},
	'/hints': (request, response) => {
		response.writeEarlyHints({ link: '</style.css>; rel=preload' });
		response.end('hinted\n');
	},
	// Breaks off in the middle of what it has promised.
	'/breaks': (request, response) => {
		response.writeHead(200, { 'Content-Length': 1000000 });
		response.write('x'.repeat(1000), () => request.socket.destroy());
	},
};

// ---- WebSocket: each message goes back as it came

function frame(opcode, payload) {
	let head;

	if (payload.length < 126) {
		head = Buffer.from([0x80 | opcode, payload.length]);
	} else if (payload.length < 65536) {
		head = Buffer.from([0x80 | opcode, 126, 0, 0]);
		head.writeUInt16BE(payload.length, 2);
	} else {
		head = Buffer.alloc(10);
		head[0] = 0x80 | opcode;
		head[1] = 127;
		head.writeBigUInt64BE(BigInt(payload.length), 2);
	}
	return Buffer.concat([head, payload]);
}

// The first frame of what has come, and where the next begins; null: not all of it is there.
function unframe(data) {
	if (data.length < 6)
		return null;
	let length = data[1] & 0x7f, at = 2;

	if (length === 126) {
		length = data.readUInt16BE(2);
		at = 4;
	} else if (length === 127) {
		if (data.length < 14)
			return null;
		length = Number(data.readBigUInt64BE(2));
		at = 10;
	}
	if (data.length < at + 4 + length)
		return null;
	const mask = data.subarray(at, at + 4), payload = Buffer.alloc(length);

	for (let i = 0; i < length; i++)
		payload[i] = data[at + 4 + i] ^ mask[i & 3];
	return { opcode: data[0] & 0x0f, payload, end: at + 4 + length };
}

function upgrade(request, socket, head) {
	const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
	let data = head;

	// The greeting comes in one piece with the head of the answer.
	socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
		`Sec-WebSocket-Accept: ${crypto.createHash('sha1').update(key).digest('base64')}\r\n\r\n` +
		frame(1, Buffer.from(`${name} greets`)).toString('latin1'), 'latin1');
	const take = () => {
		for (let found = unframe(data); found; found = unframe(data)) {
			data = data.subarray(found.end);
			if (found.opcode === 8)
				socket.end(frame(8, found.payload));
			else
				socket.write(frame(found.opcode === 9 ? 10 : found.opcode, found.payload));
		}
	};

	socket.on('data', (piece) => {
		data = Buffer.concat([data, piece]);
		take();
	});
	socket.on('end', () => socket.end());
	socket.on('error', () => socket.destroy());
	socket.on('close', () => sockets--);
	sockets++;
	take();
}

const server = http.createServer((request, response) => {
	const [path, query] = request.url.split('?');

	(pages[path] || tell)(request, response, new URLSearchParams(query));
});

server.on('connection', () => connections++);
server.on('upgrade', upgrade);
server.keepAliveTimeout = 60000;
server.listen(/^\d+$/.test(at) ? { port: Number(at), host: '127.0.0.1' } : { path: at });
process.on('SIGTERM', () => {
	server.close(() => process.exit(0));
	server.closeIdleConnections();
});
