# needs: node

cat > job.js <<'END'
const c = require('child_process');
console.log(c.spawnSync('sh', ['-c', 'exit 3']).status, c.execSync('echo sync').toString());
let left = 20, sum = 0;
for (let i = 0; i < 20; i++) c.spawn('sh', ['-c', `exit ${i}`]).on('exit', (code) => { sum += code; if (--left === 0) console.log(sum); });
c.spawn('sleep', ['30']).on('exit', (code, signal) => console.log(signal)).kill('SIGKILL');
END
node job.js | sort
