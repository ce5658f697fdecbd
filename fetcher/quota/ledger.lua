-- One operation on the quota ledger of one account, atomically. It applies the rules of account.py, reserve.py and
-- settle.py in the same order and with the same arithmetic (whole milliseconds, doubles). A differential test compares
-- both.
--
-- KEYS[1]  a hash: "account", "meter:<resource>" and "reservation:<id>", each JSON
-- ARGV     1 "reserve" or "settle"   2 the caller's now in ms   3 effective limits, JSON   4 the reservation's id
--          5 ms to live   6 what the caller knows of the ledger, JSON: its epoch, the time of the caller's last call,
--          and the pauses of the account and of the resource; or ""
--          reserve: 7 points   8 expected ms
--          settle:  7 when the reservation was made, in ms   8 usage, JSON
-- returns  {epoch, moment in ms, reason to wait until then or "", level, cause}: the level is RESOURCE or ACCOUNT if an
--          upstream demanded the pause, otherwise 0

local limits = cjson.decode(ARGV[3])
local account, meters, reservations = nil, {}, {}
local dirty = {}
local RESOURCE, ACCOUNT = 1, 2

local function load()
    local stored = redis.call('HGETALL', KEYS[1])
    for i = 1, #stored, 2 do
        local kind, name = string.match(stored[i], '^(%a+):?(.*)$')
        local value = cjson.decode(stored[i + 1])
        if kind == 'account' then account = value
        elseif kind == 'meter' then meters[name] = value
        else reservations[name] = value end
    end
end

local function save(now)
    local written = {'account', cjson.encode(account)}
    for name in pairs(dirty) do
        written[#written + 1] = 'meter:' .. name
        written[#written + 1] = cjson.encode(meters[name])
    end
    redis.call('HSET', KEYS[1], unpack(written))
    local life = tonumber(ARGV[5]) + math.max(0, account.paused_until - now)
    redis.call('PEXPIRE', KEYS[1], string.format('%.0f', life))
end

local function meter_of(now)
    local name = limits.resource
    if not meters[name] then
        meters[name] = {remaining = limits.primary, reset_at = now + limits.hour, limit = 0, reset_reported = false,
            paused_until = 0, pause_cause = '', pause_reason = '', latency_ms = 0, log = {}}
        dirty[name] = true
    end
    return meters[name]
end

local function restore(paused, pause)
    if pause and pause['until'] > paused.paused_until then
        paused.paused_until, paused.pause_cause, paused.pause_reason = pause['until'], pause.cause, pause.reason
    end
end

-- The caller knows another epoch: the ledger was lost. Recent usage is unknown, the pauses are the caller's.
local function recover(memory, now)
    account.recovery_until = math.max(account.recovery_until, memory.at + limits.minute)
    restore(account, memory.account)
    restore(meter_of(now), memory.resource)
    dirty[limits.resource] = true
end

local function open(now)
    load()
    if not account then
        account = {epoch = ARGV[4], clock = now, recovery_until = 0, paused_until = 0, pause_cause = '',
            pause_reason = '', failures = 0, throttled_at = 0, manual_until = 0}
    end
    if ARGV[6] ~= '' then
        local memory = cjson.decode(ARGV[6])
        if memory.epoch ~= account.epoch then recover(memory, now) end
    end
end

local function quota_of(meter)
    return meter.limit > 0 and meter.limit or limits.primary
end

-- A log is flat: moment, points and ms of one step, then of the next.
local function note(name, now, points, ms)
    local log = meters[name].log
    local last = #log - 2
    if last > 0 and now < log[last] + limits.tick then
        log[last + 1] = log[last + 1] + points
        log[last + 2] = log[last + 2] + ms
    else
        log[last + 3], log[last + 4], log[last + 5] = now, points, ms
    end
    dirty[name] = true
end

local function shift_back(now, back)
    for _, moment in ipairs({'recovery_until', 'paused_until', 'manual_until', 'throttled_at'}) do
        account[moment] = account[moment] - back
    end
    for key, reservation in pairs(reservations) do
        reservation.at = reservation.at - back
        redis.call('HSET', KEYS[1], 'reservation:' .. key, cjson.encode(reservation))
    end
    for name, meter in pairs(meters) do
        for i = 1, #meter.log, 3 do meter.log[i] = meter.log[i] - back end
        meter.paused_until = math.min(meter.paused_until, now + limits.hour + limits.grace)
        if meter.reset_at > now + limits.hour then meter.reset_at, meter.reset_reported = now + limits.hour, false end
        dirty[name] = true
    end
end

local function set_clock(now)
    local back = account.clock - now
    if back > 0 and back < limits.skew then return account.clock end
    account.clock = now
    if back > 0 then shift_back(now, back) end
    return now
end

local function slide(name, meter, now)
    local log, gone = meter.log, limits.tick + limits.window
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
    now = set_clock(now)
    for name, meter in pairs(meters) do
        if limits.primary > 0 and now >= meter.reset_at + limits.grace then
            meter.remaining = quota_of(meter)
            meter.reset_at, meter.reset_reported, dirty[name] = now + limits.hour, false, true
        end
    end
    local ended = {}
    for key, reservation in pairs(reservations) do
        if reservation.at + limits.reservation_ttl <= now then ended[#ended + 1] = key end
    end
    for _, key in ipairs(ended) do
        local reservation = reservations[key]
        local meter = meters[reservation.resource]
        meter.remaining = math.max(0, meter.remaining - reservation.points)
        note(reservation.resource, now, 1, reservation.ms)
        reservations[key] = nil
        redis.call('HDEL', KEYS[1], 'reservation:' .. key)
    end
    for name, meter in pairs(meters) do slide(name, meter, now) end
    return now
end

-- reserve ---------------------------------------------------------------------------------------------------------

local function affordable_at(left, limit, reset, now)
    if left < 0 or (limits.background and left < limit * limits.floor) then return reset + limits.grace end
    if not limits.background then return now end
    local share = left / limit
    local line = (1 - share - limits.initial_share) / (1 - limits.initial_share)
    local elapsed = math.max(0, line, 1 - share / limits.manual_share)
    return elapsed > 0 and math.ceil(reset - limits.hour + elapsed * limits.hour) or now
end

-- What is in flight: of the resource (count, young, points, ms) and in all (count, young, ms).
local function in_flight(now)
    local own, all = {count = 0, young = 0, points = 0, ms = 0}, {count = 0, young = 0, ms = 0}
    for _, reservation in pairs(reservations) do
        local ms = math.max(reservation.ms, math.min(2 * (now - reservation.at), limits.max_latency_ms))
        local young = reservation.at + limits.probe_timeout > now and 1 or 0
        all.count, all.young, all.ms = all.count + 1, all.young + young, all.ms + ms
        if reservation.resource == limits.resource then
            own.count, own.young = own.count + 1, own.young + young
            own.points, own.ms = own.points + reservation.points, own.ms + ms
        end
    end
    return own, all
end

local function sum(log, offset)
    local total = 0
    for i = 1, #log, 3 do total = total + log[i + offset] end
    return total
end

local function freed_at(log, offset, over, age, soon)
    for i = 1, #log, 3 do
        over = over - log[i + offset]
        if over <= 0 then return log[i] + age end
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

local function imposed(refuse, meter, points, own, now)
    if limits.forbidden then refuse(now + limits.hour, 'GraphQL needs a credential') end
    refuse(account.paused_until, account.pause_reason, ACCOUNT, account.pause_cause)
    refuse(meter.paused_until, meter.pause_reason, RESOURCE, meter.pause_cause)
    if limits.background then refuse(account.manual_until, 'a manual request has precedence') end
    if limits.primary > 0 then
        local left = meter.remaining - own.points - points
        local firm = meter.reset_reported and meter.remaining < points and RESOURCE
        refuse(affordable_at(left, quota_of(meter), meter.reset_at, now), 'primary quota', firm, firm and 'quota')
    end
end

-- Refuse if the response seconds since a moment and those still pending are too many; sorts only for a refusal.
local function out_of_seconds(refuse, after, pending, most, age, soon, why)
    local over = pending - most
    for _, meter in pairs(meters) do
        for i = 1, #meter.log, 3 do
            if meter.log[i] > after then over = over + meter.log[i + 2] end
        end
    end
    if over > 0 then refuse(freed_at(merged_log(after), 2, over, age, soon), why) end
end

local function contended(refuse, meter, ms, own, all, now)
    local soon, age = now + limits.recheck, limits.tick + limits.window
    if account.recovery_until > now and all.young > 0 then
        refuse(soon, 'the ledger was lost: one request at a time for a minute')
    end
    if limits.primary > 0 and meter.limit == 0 and own.young > 0 then
        refuse(soon, 'quota unknown: one request at a time until a response reports it')
    end
    if all.count >= limits.in_flight then refuse(soon, 'requests in flight') end
    local over = sum(meter.log, 1) + own.count + 1 - limits.points
    if over > 0 then refuse(freed_at(meter.log, 1, over, age, soon), 'points a minute') end
    if limits.resource_ms > 0 then
        over = sum(meter.log, 2) + own.ms + ms - limits.resource_ms
        if over > 0 then
            refuse(freed_at(meter.log, 2, over, age, soon), 'response seconds a minute of this resource')
        end
    end
    if limits.total_ms > 0 then
        out_of_seconds(refuse, 0, all.ms + ms, limits.total_ms, age, soon, 'response seconds a minute')
    end
    if limits.burst_ms > 0 then
        local burst = limits.tick + limits.burst_window
        out_of_seconds(refuse, now - burst, all.ms + ms, limits.burst_ms, burst, soon, 'response seconds at once')
    end
end

local function reserve(now)
    now = advance(now)
    local meter, points = meter_of(now), tonumber(ARGV[7])
    local ms = math.max(tonumber(ARGV[8]), meter.latency_ms)
    if limits.max_latency_ms > 0 then ms = math.min(ms, limits.max_latency_ms) end
    local until_, reason_, level, cause = now, '', 0, ''
    local function refuse(moment, reason, by, why)
        if moment > until_ then until_, reason_, level, cause = moment, reason, by or 0, why or '' end
    end
    local own, all = in_flight(now)
    imposed(refuse, meter, points, own, now)
    local firm = until_ > now
    contended(refuse, meter, ms, own, all, now)
    if until_ > now then
        if not limits.background and not firm then account.manual_until = until_ + 2 * limits.recheck end
        return until_, reason_, level, cause
    end
    if not limits.background then account.manual_until = 0 end
    local reservation = {resource = limits.resource, points = points, ms = ms, at = now}
    redis.call('HSET', KEYS[1], 'reservation:' .. ARGV[4], cjson.encode(reservation))
    return now, '', 0, ''
end

-- settle ----------------------------------------------------------------------------------------------------------

local function read_quota(meter, sent, usage, now)
    local reset, remaining = usage.reset_at, usage.remaining
    if reset < sent - limits.foreign_clock or reset > now + limits.hour + limits.jitter then
        if meter.reset_reported or meter.limit == 0 then meter.reset_at = now + limits.hour end
        meter.reset_reported = false
    elseif reset + limits.grace <= now then
        return
    elseif meter.reset_reported and usage.limit == meter.limit and reset <= meter.reset_at + limits.jitter then
        remaining, meter.reset_at = math.min(remaining, meter.remaining), math.max(reset, meter.reset_at)
    else
        meter.reset_at, meter.reset_reported = reset, true
    end
    meter.limit, meter.remaining = usage.limit, remaining
end

local function pause(meter, sent, usage, now)
    if usage.pause == 'reset' and now < usage.wait and usage.wait <= now + limits.hour + limits.jitter then
        meter.remaining, meter.reset_at, meter.reset_reported = 0, usage.wait, true
        meter.paused_until = math.max(meter.paused_until, usage.wait + limits.grace)
        meter.pause_cause, meter.pause_reason = usage.cause, usage.reason
        return
    end
    local wait = usage.wait
    if usage.pause ~= 'after' then
        if sent > account.throttled_at or account.failures == 0 then account.failures = account.failures + 1 end
        wait = math.min(limits.pause * 2 ^ (math.min(account.failures, 20) - 1), limits.pause_cap)
    end
    account.throttled_at = now
    if now + wait > account.paused_until then
        account.paused_until, account.pause_cause, account.pause_reason = now + wait, usage.cause, usage.reason
    end
end

local function settle(now)
    now = advance(now)
    local meter, usage, reservation = meter_of(now), cjson.decode(ARGV[8]), reservations[ARGV[4]]
    local sent = reservation and reservation.at or math.min(tonumber(ARGV[7]), now)
    if reservation then redis.call('HDEL', KEYS[1], 'reservation:' .. ARGV[4]) end
    note(limits.resource, now, usage.requests, usage.ms)
    meter.latency_ms = math.max(usage.ms, math.floor(meter.latency_ms * (100 - limits.latency_decay) / 100))
    if limits.primary > 0 and usage.limit > 0 then
        read_quota(meter, sent, usage, now)
    else
        meter.remaining = math.max(0, meter.remaining - usage.points)
    end
    if usage.pause ~= '' then
        pause(meter, sent, usage, now)
    elseif sent > account.throttled_at and (usage.limit >= 0 or usage.points > 0) then
        account.failures = 0
    end
    if account.paused_until > now then
        return account.paused_until, account.pause_reason, ACCOUNT, account.pause_cause
    end
    if meter.paused_until > now then return meter.paused_until, meter.pause_reason, RESOURCE, meter.pause_cause end
    return now, '', 0, ''
end

local now = tonumber(ARGV[2])
open(now)
local moment, reason, level, cause = (ARGV[1] == 'reserve' and reserve or settle)(now)
save(account.clock)
return {account.epoch, string.format('%.0f', moment), reason, level, cause}
