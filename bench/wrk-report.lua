-- wrk's summary as one line of JSON, in the shape of LoadResult (load.ts).
function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"checks":%d,"seconds":%.6f,"bytes":%d,"failures":%d,"hangUps":%d,"errors":%d,"statuses":null,"p50":%.4f,"p99":%.4f,"p999":%.4f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes, e.status, e.read + e.write, e.connect + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end

-- With a file of Cookie headers (LoadPlan.cookies): one request for each line, rendered before the run, sent in turn.
local file = os.getenv('BENCH_COOKIES')
if file then
  local requests, turn = {}, 0
  function init()
    for line in io.lines(file) do
      wrk.headers['Cookie'] = line ~= '-' and line or nil
      requests[#requests + 1] = wrk.format()
    end
  end
  function request()
    turn = turn % #requests + 1
    return requests[turn]
  end
end
