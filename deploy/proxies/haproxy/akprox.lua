-- Asks akprox whether a request may pass: `http-request lua.akprox`, then deny unless var(txn.akprox) is "allowed".
-- Nothing but HAProxy's own HTTP client is needed (2.6 or later). It closes its connection after each request, so it
-- asks a frontend of HAProxy itself, which keeps connections to the outposts.

local URL = "http://127.0.0.1:9001/akprox/auth/traefik"
local TIMEOUT = 5000 -- milliseconds

-- What the outpost decides by. It needs nothing else of the request.
local ASK_WITH = {
  "cookie", "authorization", "accept", "accept-language", "user-agent", "origin", "access-control-request-method", "sec-fetch-mode",
  "sec-fetch-dest", "sec-fetch-site", "sec-purpose", "purpose", "x-moz", "x-requested-with", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
}

-- What the application learns from the outpost and from nobody else. Add the names of additionalHeaders here.
local IDENTITY = {
  "X-Auth-Username",
  "X-Auth-Groups",
  "X-Forwarded-Email",
  "X-Forwarded-Preferred-Username",
  "X-Forwarded-User",
  "X-authentik-username",
  "X-authentik-groups",
  "X-authentik-entitlements",
  "X-authentik-email",
  "X-authentik-name",
  "X-authentik-uid",
  "X-authentik-jwt",
  "X-authentik-meta-jwks",
  "X-authentik-meta-outpost",
  "X-authentik-meta-provider",
  "X-authentik-meta-app",
  "X-authentik-meta-version",
  "X-Akprox-Assertion",
}

-- Belong to the connection, or are written anew.
local NOT_RELAYED = {
  ["connection"] = true, ["keep-alive"] = true, ["transfer-encoding"] = true, ["te"] = true, ["trailer"] = true,
  ["upgrade"] = true, ["content-length"] = true,
}

-- HAProxy numbers the values of a header from 0.
local function values(list)
  local all = {}
  local i = 0
  while list ~= nil and list[i] ~= nil do
    all[#all + 1] = list[i]
    i = i + 1
  end
  return all
end

core.register_action("akprox", { "http-req" }, function(txn)
  local client = txn.http:req_get_headers()
  local headers = {}
  for _, name in ipairs(ASK_WITH) do
    local found = values(client[name])
    if #found > 0 then
      -- HTTP/2 may spread cookies over several lines.
      headers[name] = name == "cookie" and { table.concat(found, "; ") } or found
    end
  end
  headers["x-forwarded-method"] = { txn.f:method() }
  headers["x-forwarded-uri"] = { txn.f:pathq() }

  for _, name in ipairs(IDENTITY) do
    txn.http:req_del_header(name)
  end

  local answer = core.httpclient():get({ url = URL, headers = headers, timeout = TIMEOUT })
  if answer == nil or answer.status == nil or answer.status == 0 then
    return -- the configuration denies
  end

  if answer.status == 200 then
    for _, name in ipairs(IDENTITY) do
      local value = answer.headers[name:lower()]
      if value ~= nil and value[0] ~= nil then
        txn.http:req_set_header(name, value[0])
      end
    end
    -- With `basic_auth`, the outpost says how to log in at the application.
    local authorization = answer.headers["authorization"]
    if authorization ~= nil and authorization[0] ~= nil then
      txn.http:req_set_header("authorization", authorization[0])
    end
    txn:set_var("txn.akprox", "allowed")
    return
  end

  local reply = txn:reply({ status = answer.status, reason = answer.reason, body = answer.body })
  for name, list in pairs(answer.headers) do
    if not NOT_RELAYED[name] then
      for _, value in ipairs(values(list)) do
        reply:add_header(name, value)
      end
    end
  end
  txn:done(reply)
end)
