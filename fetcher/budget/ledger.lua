-- One step of the quota ledger of one account, atomically. The same rules as account.py, reserving.py and settling.py,
-- in the same order and with the same arithmetic (whole milliseconds, doubles): a differential test holds them together.
--
-- KEYS[1]  a hash: "account", "meter:<resource>" and "hold:<grant>", each JSON
-- ARGV     1 "reserve" or "settle"   2 the caller's now in ms   3 terms, JSON   4 the grant's id
--          5 ms to live   6 what the caller remembers of the last ledger, JSON: its epoch, when it was seen, and
--          the pauses told for the whole account and for the resource, or ""
--          reserve: 7 points   8 expected ms
--          settle:  7 when the grant was given, in ms   8 charge, JSON
-- returns  {epoch, moment in ms, "" or the reason to wait until then, 0 or who an upstream told so: RESOURCE, ACCOUNT}

local terms = cjson.decode(ARGV[3])
local account, meters, holds = nil, {}, {}
local dirty = {}
local RESOURCE, ACCOUNT = 1, 2

local function load()
    local stored = redis.call('HGETALL', KEYS[1])
    for i = 1, #stored, 2 do
        local kind, name = string.match(stored[i], '^(%a+):?(.*)$')
        local value = cjson.decode(stored[i + 1])
        if kind == 'account' then account = value
        elseif kind == 'meter' then meters[name] = value
        else holds[name] = value end
    end
end

local function save(now)
    local written = {'account', cjson.encode(account)}
    for name in pairs(dirty) do
        written[#written + 1] = 'meter:' .. name
        written[#written + 1] = cjson.encode(meters[name])
    end
    redis.call('HSET', KEYS[1], unpack(written))
    local life = tonumber(ARGV[5]) + math.max(0, account.paused - now)
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
end

local function meter_of(now)
    local name = terms.resource
    if not meters[name] then
        meters[name] = {remaining = terms.primary, reset = now + terms.hour, limit = 0, told = false,
            paused = 0, why = '', slow = 0, log = {}}
        dirty[name] = true
    end
    return meters[name]
end

-- A ledger that began anew while a caller remembers another was lost: nobody knows what the last minute saw, but the
-- caller knows what it was told.
local function remind(memory, now)
    account.quiet = math.max(account.quiet, memory.at + terms.minute)
    local told, meter = memory.account, meter_of(now)
    if told and told.moment > account.paused then account.paused, account.why = told.moment, told.why end
    told = memory.resource
    if told and told.moment > meter.paused then meter.paused, meter.why = told.moment, told.why end
    dirty[terms.resource] = true
end

local function open(now)
    load()
    if not account then
        account = {epoch = ARGV[4], seen = now, quiet = 0, paused = 0, why = '', failures = 0, throttled = 0, wish = 0}
    end
    if ARGV[6] ~= '' then
        local memory = cjson.decode(ARGV[6])
        if memory.epoch ~= account.epoch then remind(memory, now) end
    end
end

local function quota_of(meter)
    return meter.limit > 0 and meter.limit or terms.primary
end

-- A log is flat: moment, points and ms of one step, then of the next.
local function note(name, now, points, ms)
    local log = meters[name].log
    local last = #log - 2
    if last > 0 and now < log[last] + terms.tick then
        log[last + 1] = log[last + 1] + points
        log[last + 2] = log[last + 2] + ms
    else
        log[last + 3], log[last + 4], log[last + 5] = now, points, ms
    end
    dirty[name] = true
end

local function set_back(now, back)
    for _, moment in ipairs({'quiet', 'paused', 'wish', 'throttled'}) do
        account[moment] = account[moment] - back
    end
    for key, hold in pairs(holds) do
        hold.at = hold.at - back
        redis.call('HSET', KEYS[1], 'hold:' .. key, cjson.encode(hold))
    end
    for name, meter in pairs(meters) do
        for i = 1, #meter.log, 3 do meter.log[i] = meter.log[i] - back end
        meter.paused = math.min(meter.paused, now + terms.hour + terms.grace)
        if meter.reset > now + terms.hour then meter.reset, meter.told = now + terms.hour, false end
        dirty[name] = true
    end
end

local function tell_time(now)
    local back = account.seen - now
    if back > 0 and back < terms.skew then return account.seen end
    account.seen = now
    if back > 0 then set_back(now, back) end
    return now
end

local function slide(name, meter, now)
    local log, gone = meter.log, terms.tick + terms.span
    if #log == 0 or log[1] + gone > now then return end
    local kept = {}
    for i = 1, #log, 3 do
        if log[i] + gone > now then
            kept[#kept + 1], kept[#kept + 2], kept[#kept + 3] = log[i], log[i + 1], log[i + 2]
        end
    end
    meter.log, dirty[name] = kept, true
end

local function advance(now)
    now = tell_time(now)
    for name, meter in pairs(meters) do
        if terms.primary > 0 and now >= meter.reset + terms.grace then
            meter.remaining = quota_of(meter)
            meter.reset, meter.told, dirty[name] = now + terms.hour, false, true
        end
    end
    local ended = {}
    for key, hold in pairs(holds) do
        if hold.at + terms.hold <= now then ended[#ended + 1] = key end
    end
    for _, key in ipairs(ended) do
        local hold = holds[key]
        local meter = meters[hold.resource]
        meter.remaining = math.max(0, meter.remaining - hold.points)
        note(hold.resource, now, 1, hold.ms)
        holds[key] = nil
        redis.call('HDEL', KEYS[1], 'hold:' .. key)
    end
    for name, meter in pairs(meters) do slide(name, meter, now) end
    return now
end

-- reserve ---------------------------------------------------------------------------------------------------------

local function affordable_at(left, limit, reset, now)
    if left < 0 or (terms.background and left < limit * terms.floor) then return reset + terms.grace end
    if not terms.background then return now end
    local share = left / limit
    local elapsed = math.max(0, (1 - share - terms.burst) / (1 - terms.burst), 1 - share / terms.reserved)
    return elapsed > 0 and math.ceil(reset - terms.hour + elapsed * terms.hour) or now
end

-- What is in flight: of the resource (count, young, points, ms) and in all (count, young, ms).
local function in_flight(now)
    local own, all = {count = 0, young = 0, points = 0, ms = 0}, {count = 0, young = 0, ms = 0}
    for _, hold in pairs(holds) do
        local ms = math.max(hold.ms, math.min(2 * (now - hold.at), terms.most_ms))
        local young = hold.at + terms.patience > now and 1 or 0
        all.count, all.young, all.ms = all.count + 1, all.young + young, all.ms + ms
        if hold.resource == terms.resource then
            own.count, own.young = own.count + 1, own.young + young
            own.points, own.ms = own.points + hold.points, own.ms + ms
        end
    end
    return own, all
end

local function sum(log, offset)
    local total = 0
    for i = 1, #log, 3 do total = total + log[i + offset] end
    return total
end

local function freed_at(log, offset, over, stay, soon)
    for i = 1, #log, 3 do
        over = over - log[i + offset]
        if over <= 0 then return log[i] + stay end
    end
    return soon
end

-- All meters' steps later than a moment, as one log.
local function merged_log(after)
    local steps, flat = {}, {}
    for _, meter in pairs(meters) do
        for i = 1, #meter.log, 3 do
            if meter.log[i] > after then steps[#steps + 1] = {meter.log[i], meter.log[i + 2]} end
        end
    end
    table.sort(steps, function(a, b) return a[1] < b[1] end)
    for i, step in ipairs(steps) do
        flat[3 * i - 2], flat[3 * i - 1], flat[3 * i] = step[1], 0, step[2]
    end
    return flat
end

local function told_to_wait(refuse, meter, points, own, now)
    if terms.barred then refuse(now + terms.hour, 'GraphQL needs a credential') end
    refuse(account.paused, account.why, ACCOUNT)
    refuse(meter.paused, meter.why, RESOURCE)
    if terms.background then refuse(account.wish, "a person's request goes first") end
    if terms.primary > 0 then
        local left = meter.remaining - own.points - points
        local firm = meter.told and meter.remaining < points and RESOURCE
        refuse(affordable_at(left, quota_of(meter), meter.reset, now), 'primary quota', firm)
    end
end

-- Refuse if the response seconds since a moment and those still pending are too many; sorts only for a refusal.
local function no_time(refuse, after, pending, most, stay, soon, why)
    local over = pending - most
    for _, meter in pairs(meters) do
        for i = 1, #meter.log, 3 do
            if meter.log[i] > after then over = over + meter.log[i + 2] end
        end
    end
    if over > 0 then refuse(freed_at(merged_log(after), 2, over, stay, soon), why) end
end

local function no_room(refuse, meter, ms, own, all, now)
    local soon, stay = now + terms.soon, terms.tick + terms.span
    if account.quiet > now and all.young > 0 then
        refuse(soon, 'the ledger was lost: one request at a time for a minute')
    end
    if terms.primary > 0 and meter.limit == 0 and own.young > 0 then
        refuse(soon, 'quota unknown: one request at a time until an answer tells it')
    end
    if all.count >= terms.in_flight then refuse(soon, 'requests in flight') end
    local over = sum(meter.log, 1) + own.count + 1 - terms.points
    if over > 0 then refuse(freed_at(meter.log, 1, over, stay, soon), 'points a minute') end
    if terms.own_ms > 0 then
        over = sum(meter.log, 2) + own.ms + ms - terms.own_ms
        if over > 0 then
            refuse(freed_at(meter.log, 2, over, stay, soon), 'response seconds a minute of this resource')
        end
    end
    if terms.all_ms > 0 then
        no_time(refuse, 0, all.ms + ms, terms.all_ms, stay, soon, 'response seconds a minute')
    end
    if terms.gust_ms > 0 then
        local gust = terms.tick + terms.gust
        no_time(refuse, now - gust, all.ms + ms, terms.gust_ms, gust, soon, 'response seconds at once')
    end
end

local function reserve(now)
    now = advance(now)
    local meter, points = meter_of(now), tonumber(ARGV[7])
    local ms = math.max(tonumber(ARGV[8]), meter.slow)
    if terms.most_ms > 0 then ms = math.min(ms, terms.most_ms) end
    local until_, why, told_by = now, '', 0
    local function refuse(moment, reason, level)
        if moment > until_ then until_, why, told_by = moment, reason, level or 0 end
    end
    local own, all = in_flight(now)
    told_to_wait(refuse, meter, points, own, now)
    local told = until_ > now
    no_room(refuse, meter, ms, own, all, now)
    if until_ > now then
        if not terms.background and not told then account.wish = until_ + 2 * terms.soon end
        return until_, why, told_by
    end
    if not terms.background then account.wish = 0 end
    local hold = {resource = terms.resource, points = points, ms = ms, at = now}
    redis.call('HSET', KEYS[1], 'hold:' .. ARGV[4], cjson.encode(hold))
    return now, '', 0
end

-- settle ----------------------------------------------------------------------------------------------------------

local function read_quota(meter, sent, charge, now)
    local reset, remaining = charge.reset, charge.remaining
    if reset < sent - terms.other_clock or reset > now + terms.hour + terms.jitter then
        if meter.told or meter.limit == 0 then meter.reset = now + terms.hour end
        meter.told = false
    elseif reset + terms.grace <= now then
        return
    elseif meter.told and charge.limit == meter.limit and reset <= meter.reset + terms.jitter then
        remaining, meter.reset = math.min(remaining, meter.remaining), math.max(reset, meter.reset)
    else
        meter.reset, meter.told = reset, true
    end
    meter.limit, meter.remaining = charge.limit, remaining
end

local function pause(meter, sent, charge, now)
    if charge.throttled == 'reset' and now < charge.wait and charge.wait <= now + terms.hour + terms.jitter then
        meter.remaining, meter.reset, meter.told = 0, charge.wait, true
        meter.paused, meter.why = math.max(meter.paused, charge.wait + terms.grace), charge.why
        return
    end
    local wait = charge.wait
    if charge.throttled ~= 'after' then
        if sent > account.throttled or account.failures == 0 then account.failures = account.failures + 1 end
        wait = math.min(terms.pause * 2 ^ (math.min(account.failures, 20) - 1), terms.pause_cap)
    end
    account.throttled = now
    if now + wait > account.paused then account.paused, account.why = now + wait, charge.why end
end

local function settle(now)
    now = advance(now)
    local meter, charge, hold = meter_of(now), cjson.decode(ARGV[8]), holds[ARGV[4]]
    local sent = hold and hold.at or math.min(tonumber(ARGV[7]), now)
    if hold then redis.call('HDEL', KEYS[1], 'hold:' .. ARGV[4]) end
    note(terms.resource, now, charge.requests, charge.ms)
    meter.slow = math.max(charge.ms, math.floor(meter.slow * (100 - terms.fade) / 100))
    if terms.primary > 0 and charge.limit > 0 then
        read_quota(meter, sent, charge, now)
    else
        meter.remaining = math.max(0, meter.remaining - charge.points)
    end
    if charge.throttled ~= '' then
        pause(meter, sent, charge, now)
    elseif sent > account.throttled and (charge.limit >= 0 or charge.points > 0) then
        account.failures = 0
    end
    if account.paused > now then return account.paused, account.why, ACCOUNT end
    if meter.paused > now then return meter.paused, meter.why, RESOURCE end
    return now, '', 0
end

local now = tonumber(ARGV[2])
open(now)
local moment, why, told_by = (ARGV[1] == 'reserve' and reserve or settle)(now)
save(account.seen)
return {account.epoch, string.format('%.0f', moment), why, told_by}
