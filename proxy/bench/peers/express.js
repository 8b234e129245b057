// The load balancer that people write first: Express takes the request, axios
// asks the node that answered its last probe soonest, and the whole answer goes
// back. Node.js keeps the connections of both sides alive by itself.
const express = require('express');
const axios = require('axios');

const [address, ...nodes] = process.argv.slice(2);
const latency = new Map(nodes.map((node) => [node, Infinity]));

async function probe() {
  await Promise.all(nodes.map(async (node) => {
    const began = process.hrtime.bigint();
    try {
      await axios.get(`http://${node}/health`, { timeout: 2000 });
      latency.set(node, Number(process.hrtime.bigint() - began));
    } catch {
      latency.set(node, Infinity);
    }
  }));
}

const app = express();
app.get(['/cluster1', '/cluster1/*'], async (req, res) => {
  const node = nodes.reduce((a, b) => (latency.get(b) < latency.get(a) ? b : a));
  try {
    const answer = await axios.get(`http://${node}${req.originalUrl}`, { timeout: 30000 });
    res.status(answer.status).send(answer.data);
  } catch {
    res.status(502).send('the node did not answer\n');
  }
});
app.use((req, res) => res.status(404).send('no such cluster\n'));

probe();
setInterval(probe, 1000);
const [host, port] = address.split(':');
app.listen(Number(port), host);
