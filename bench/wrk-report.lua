-- wrk's summary as one line of JSON, in the shape of LoadResult (load.ts).
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"checks":%d,"seconds":%.6f,"bytes":%d,"failures":%d,"hangUps":%d,"errors":%d,"statuses":null,"p50":%.4f,"p99":%.4f,"p999":%.4f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, e.status, e.read + e.write, e.connect + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
