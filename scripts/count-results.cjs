'use strict';
// node scripts/count-results.cjs FOLDER STEP…: adds up what the steps of .ci/run reported. For each step the folder holds
// STEP.code (its exit code) and STEP.json (vitest's JSON report, or { passed, failed }). Prints "N passed, N failed" and
// exits 0 only if nothing failed and something passed. Runs on the machine's own Node: syntax of Node 14.

const fs = require('fs');
const path = require('path');

const folder = process.argv[2];
let passed = 0;
let failed = 0;
for (const step of process.argv.slice(3)) {
  const exitCode = Number(fs.readFileSync(path.join(folder, step + '.code'), 'utf8'));
  const counts = countsOf(path.join(folder, step + '.json'));
  passed += counts.passed;
  // A step can fail without one failed test: it was killed, crashed before its report, or a file did not load.
  failed += exitCode === 0 ? counts.failed : Math.max(1, counts.failed);
}
console.log(passed + ' passed, ' + failed + ' failed');
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;

function countsOf(file) {
  let report;
  try {
    report = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (_) {
    return { passed: 0, failed: 0 };
  }
  if (report.numTotalTests === undefined) return report;
  return { passed: report.numPassedTests, failed: report.numFailedTests };
}
