/**
 * What happens inside Redis: Lua scripts, each of which is one step that nothing comes between. They run on Redis from
 * 4 on and on Valkey.
 *
 * A session is one hash, `{prefix}s:{public id}`:
 *
 *     pool  name of its pool             b  id of its backend, '' in a tombstone     k  key source (number)
 *     c     when it began                s  when it was last seen                    m  times it was moved
 *     p     1: no backend has answered   n  node that claimed it                     e  tombstone: until when
 *     h     hashes of what it is bound to and of whose it is, see probe-state.ts; absent: neither is known
 *     j     public id of the session that this is another name of; absent: of none. What else stands there is what the
 *           session was when it was joined, for nodes that
 *           do not know of other names
 *     l     number of the life of its backend that it is bound to, a comma, and what s was then: where s is another one
 *           by now, limpet 0.1 has written it since,
 *           which knows of no lives
 *
 * Times are ms since epoch, by the clock of the node that wrote them. Each script has one key, or as many of one slot,
 * so that a Cluster runs it. The hash expires by itself. Numbers stay the text that they came as: Lua would write a
 * time as 1.7e+12.
 *
 * A standing is one line for the caller: verdict, b, c, s, m, p, e, pool, k, h, j, life ('': not known), separated by
 * line feeds. Verdicts: `made`, `stands`, `ended`, `none`. A change is one line to `{prefix}changes`: node, op (`bound`
 * or `ended`), public id, then pool, b, c, m, k, until, h, j, life. What comes after h limpet 0.1 overlooks, and lines
 * with another op.
 */

/** Functions that all scripts share; `h` is the hash as read by `get`. */
const SHARED = `
local function get(key)
  local v = redis.call('HMGET', key, 'b', 'c', 's', 'm', 'p', 'e', 'pool', 'k', 'n', 'h', 'j', 'l')
  if not v[2] then return nil end
  local life, seen = string.match(v[12] or '', '^(%d+),(.*)$')
  if seen ~= v[3] then life = '' end
  return { b = v[1], c = v[2], s = v[3], m = v[4], p = v[5], e = v[6] or '0', pool = v[7], k = v[8], n = v[9] or '', h = v[10] or '', j = v[11] or '', l = life }
end
local function standing(verdict, h)
  return table.concat({ verdict, h.b, h.c, h.s, h.m, h.p, h.e, h.pool, h.k, h.h, h.j or '', h.l or '' }, '\\n')
end
local function lived(h)
  if (h.l or '') == '' then return '' end
  return h.l .. ',' .. h.s
end
local function put(key, h, ttl)
  redis.call('DEL', key)
  redis.call('HSET', key, 'b', h.b, 'c', h.c, 's', h.s, 'm', h.m, 'p', h.p, 'e', h.e, 'pool', h.pool, 'k', h.k, 'n', h.n)
  if h.h ~= '' then redis.call('HSET', key, 'h', h.h) end
  if (h.j or '') ~= '' then redis.call('HSET', key, 'j', h.j) end
  if (h.l or '') ~= '' then redis.call('HSET', key, 'l', lived(h)) end
  redis.call('PEXPIRE', key, ttl)
end
local function tell(channel, node, op, id, h)
  redis.call('PUBLISH', channel, table.concat({ node, op, id, h.pool, h.b, h.c, h.m, h.k, h.e, h.h, h.j or '', h.l or '' }, '\\n'))
end
local function ended(h, now)
  return h.e ~= '0' and tonumber(h.e) > now
end
`;

/**
 * Whose session is it: makes it unless it stands.
 * ARGV: node, pool, b (''  makes nothing), k, c, now, idle, lifetime, ttl, 1: provisional, 1: an ended key may begin
 *                          anew, h, j of a session that is over: what is another name of that is nothing, life
 */
const CLAIM = `${SHARED}
local node, now = ARGV[1], tonumber(ARGV[6])
local h = get(KEYS[1])
if h and h.e ~= '0' then
  if ended(h, now) and ARGV[11] ~= '1' then return standing('ended', h) end
elseif h then
  local idle, lifetime = tonumber(ARGV[7]), tonumber(ARGV[8])
  if (h.j == '' or h.j ~= ARGV[13]) and not (idle > 0 and now - tonumber(h.s) >= idle or lifetime > 0 and now - tonumber(h.c) >= lifetime) then
    -- Another node relies on it from now on: the one that claimed it may not take it back.
    if h.p == '1' and h.n ~= node then redis.call('HSET', KEYS[1], 'n', '') end
    return standing('stands', h)
  end
end
if ARGV[3] == '' then return 'none' end
h = { b = ARGV[3], c = ARGV[5], s = ARGV[6], m = '0', p = ARGV[10], e = '0', pool = ARGV[2], k = ARGV[4], n = node, h = ARGV[12], l = ARGV[14] }
put(KEYS[1], h, ARGV[9])
return standing('made', h)
`;

/**
 * Writes behind: what a node's table says of sessions, brought together with what stands by the rules of
 * \`SessionTable.merge\`, save that a session that began after an end outlives it: the key is one that may begin anew.
 * KEYS: sessions. ARGV: channel, node, now, length of what comes before the public id in a key, then for each key:
 * pool, b, k, c, s, m, p, e, h, j, life, ttl in one text. Answers the standing of each key where it is not what the
 * node said, with the key's number before it.
 */
const SYNC = `${SHARED}
local channel, node, now, before = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local answers = {}
local field = '([^\\n]*)'
local pattern = '^' .. string.rep(field .. '\\n', 11) .. field .. '$'
for i, key in ipairs(KEYS) do
  local o = { n = node }
  local ttl
  o.pool, o.b, o.k, o.c, o.s, o.m, o.p, o.e, o.h, o.j, o.l, ttl = string.match(ARGV[4 + i], pattern)
  local h = get(key)
  local id = string.sub(key, before + 1)
  local answer = nil
  if o.e ~= '0' then
    if not h then
      put(key, o, ttl)
      tell(channel, node, 'ended', id, o)
    elseif h.e ~= '0' then
      if tonumber(o.e) > tonumber(h.e) then put(key, o, ttl) end
    elseif tonumber(h.c) > tonumber(o.c) then
      answer = 'stands'
    else
      put(key, o, ttl)
      tell(channel, node, 'ended', id, o)
    end
  elseif not h or (h.e ~= '0' and not ended(h, now)) then
    put(key, o, ttl)
  elseif h.e ~= '0' then
    if tonumber(o.c) > tonumber(h.c) then
      put(key, o, ttl)
      tell(channel, node, 'bound', id, o)
    else
      answer = 'ended'
    end
  elseif h.j == o.j and (h.b == o.b or h.j ~= '') then
    local c, m = tonumber(h.c) - tonumber(o.c), tonumber(h.m) - tonumber(o.m)
    if c < 0 or m > 0 then answer = 'stands' end
    -- The life of what was seen later, where one of them is not known; otherwise the later life: a session that stayed with its restarted backend.
    local before = h.l
    if h.l == '' then
      if tonumber(o.s) >= tonumber(h.s) then h.l = o.l else answer = 'stands' end
    elseif o.l ~= '' and tonumber(o.l) > tonumber(h.l) then
      h.l = o.l
    elseif o.l ~= h.l then
      answer = 'stands'
    end
    if tonumber(o.s) > tonumber(h.s) then h.s = o.s end
    if c > 0 then h.c = o.c end
    if m < 0 then h.m = o.m end
    if o.p == '0' then h.p = '0' end
    if o.h ~= '' then h.h = o.h elseif h.h ~= '' then answer = 'stands' end
    redis.call('HSET', key, 'c', h.c, 's', h.s, 'm', h.m, 'p', h.p, 'h', h.h, 'l', lived(h))
    redis.call('PEXPIRE', key, ttl)
    if before ~= '' and h.l ~= before then tell(channel, node, 'bound', id, h) end
  else
    local d = tonumber(h.c) - tonumber(o.c)
    if d == 0 then d = tonumber(o.m) - tonumber(h.m) end
    if d == 0 then d = tonumber(o.s) - tonumber(h.s) end
    if d > 0 then
      if tonumber(h.s) > tonumber(o.s) then o.s = h.s end
      if o.h == '' then o.h = h.h end
      put(key, o, ttl)
      tell(channel, node, 'bound', id, o)
    else
      answer = 'stands'
    end
  end
  if answer then answers[#answers + 1] = i .. '\\n' .. standing(answer, h) end
end
return answers
`;

/**
 * Binds a session to another backend if it is bound to \`from\`, or wherever it is. ARGV: channel, node, public id,
 * pool, from ('': wherever), to, k, c, m, now, ttl, 1: an ended key may begin anew, life
 */
const MOVE = `${SHARED}
local channel, node, id, from, to, now = ARGV[1], ARGV[2], ARGV[3], ARGV[5], ARGV[6], tonumber(ARGV[10])
local h = get(KEYS[1])
if h and ended(h, now) and ARGV[12] ~= '1' then return standing('ended', h) end
if h and h.e == '0' then
  if h.b ~= to then
    if from ~= '' and h.b ~= from then return standing('stands', h) end
    local m = tonumber(h.m)
    -- As in the table: a session that no backend has answered has no state that could move.
    if h.p ~= '1' then m = m + 1 end
    if m < tonumber(ARGV[9]) then m = tonumber(ARGV[9]) end
    if m > 255 then m = 255 end
    h.b, h.m, h.p, h.s, h.l = to, string.format('%d', m), '0', ARGV[10], ARGV[13]
    redis.call('HSET', KEYS[1], 'b', h.b, 'm', h.m, 's', h.s, 'p', '0', 'l', lived(h))
    redis.call('PEXPIRE', KEYS[1], ARGV[11])
    tell(channel, node, 'bound', id, h)
  elseif h.p == '1' then
    redis.call('HSET', KEYS[1], 'p', '0')
  end
  return standing('stands', h)
end
h = { b = to, c = ARGV[8], s = ARGV[10], m = ARGV[9], p = '0', e = '0', pool = ARGV[4], k = ARGV[7], n = node, h = '', l = ARGV[13] }
put(KEYS[1], h, ARGV[11])
tell(channel, node, 'bound', id, h)
return standing('made', h)
`;

/** Forgets a claim that only this node knows of and that no backend has answered. ARGV: node, b */
const RELEASE = `
local v = redis.call('HMGET', KEYS[1], 'n', 'p', 'b')
if v[1] == ARGV[1] and v[2] == '1' and v[3] == ARGV[2] then return redis.call('DEL', KEYS[1]) end
return 0
`;

/**
 * Ends a session; a tombstone that stands longer stays, and so does a session that began later under the same key.
 * ARGV: channel, node, public id, pool, c, until, now
 */
const END = `${SHARED}
local h = get(KEYS[1])
if h and h.e ~= '0' and tonumber(h.e) >= tonumber(ARGV[6]) then return 0 end
if h and h.e == '0' and tonumber(h.c) > tonumber(ARGV[5]) then return 0 end
local o = { b = '', c = ARGV[5], s = ARGV[7], m = '0', p = '0', e = ARGV[6], pool = ARGV[4], k = '0', n = ARGV[2], h = '', l = '' }
put(KEYS[1], o, string.format('%.0f', tonumber(ARGV[6]) - tonumber(ARGV[7])))
tell(ARGV[1], ARGV[2], 'ended', ARGV[3], o)
return 1
`;

/**
 * Makes a session its user's, if the user may have one more. The user is a sorted set, \`{prefix}u:{pool}:{hash of the
 * user}\`: members are \`public id, space, when it began\`, scores when the session was last seen. ARGV: public id, c,
 * now, idle, lifetime, max, 1: refuse, score, ttl, 1: those that are dead are known, then the members that are dead.
 * Answers granted, then the members that have to end; refused; or full, then all members but one's own and their
 * scores: look which of them are dead, and come again.
 */
const USER = `
local id, now, idle, lifetime, max = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
for i = 11, #ARGV do redis.call('ZREM', KEYS[1], ARGV[i]) end
local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
local others, own = {}, nil
for i = 1, #all, 2 do
  local member, seen = all[i], tonumber(all[i + 1])
  local other, began = string.match(member, '^(%S+) (%d+)$')
  if not other or idle > 0 and now - seen >= idle or lifetime > 0 and now - tonumber(began) >= lifetime then
    redis.call('ZREM', KEYS[1], member)
  elseif other == id then
    own = member
  else
    others[#others + 1] = { member, all[i + 1] }
  end
end
local answer = { 'granted' }
local over = #others + 1 - max
if over > 0 and not (own and ARGV[7] == '1') then
  if ARGV[10] ~= '1' then
    answer[1] = 'full'
    for i = 1, #others do
      answer[2 * i] = others[i][1]
      answer[2 * i + 1] = others[i][2]
    end
    return answer
  end
  if ARGV[7] == '1' then return { 'refused' } end
  -- The range came in the order of the scores.
  for i = 1, over do
    redis.call('ZREM', KEYS[1], others[i][1])
    answer[i + 1] = others[i][1]
  end
end
if own then redis.call('ZREM', KEYS[1], own) end
redis.call('ZADD', KEYS[1], ARGV[8], id .. ' ' .. ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[9])
return answer
`;

/**
 * Notes when a session of a user was seen, or that it goes on under another id. ARGV: member that goes, member that
 * comes, each may be '', score, ttl, 1: only if it is there
 */
const SEEN = `
if ARGV[1] ~= '' then redis.call('ZREM', KEYS[1], ARGV[1]) end
if ARGV[2] == '' or (ARGV[5] == '1' and not redis.call('ZSCORE', KEYS[1], ARGV[2])) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[4])
`;

/**
 * What a node knows of the lives of a backend: the number of the one that it is in rises to this, if it is lower; of
 * the same life the ids of its processes are noted. KEYS: the lives. ARGV: channel, node, backend, life, when it began,
 * ids ('': none is known), now. Answers what stands, see shared-lives.ts.
 */
const LIFE = `
local stands = redis.call('HGET', KEYS[1], ARGV[3]) or ''
local life, began, ids = string.match(stands, '^(%d+),([^,]*),([^,]*)')
if not life then life, began, ids = '0', '0', '' end
local rises = tonumber(ARGV[4]) - tonumber(life)
if rises < 0 then return stands end
local news = rises > 0 or ARGV[6] ~= '' and ARGV[6] ~= ids
if rises > 0 then began = ARGV[5] end
if ARGV[6] ~= '' then ids = ARGV[6] end
stands = table.concat({ ARGV[4], began, ids, ARGV[7] }, ',')
redis.call('HSET', KEYS[1], ARGV[3], stands)
if news then redis.call('PUBLISH', ARGV[1], table.concat({ ARGV[2], 'life', ARGV[3], stands }, '\\n')) end
return stands
`;

/** The scripts by the name of the command that runs them. `limpetSync` takes the number of its keys first. */
export const SCRIPTS = {
  limpetClaim: { lua: CLAIM, numberOfKeys: 1 },
  limpetSync: { lua: SYNC },
  limpetMove: { lua: MOVE, numberOfKeys: 1 },
  limpetRelease: { lua: RELEASE, numberOfKeys: 1 },
  limpetEnd: { lua: END, numberOfKeys: 1 },
  limpetUser: { lua: USER, numberOfKeys: 1 },
  limpetSeen: { lua: SEEN, numberOfKeys: 1 },
  limpetLife: { lua: LIFE, numberOfKeys: 1 },
} as const;

/** A client on which SCRIPTS are defined. */
export interface Scripts {
  limpetClaim(key: string, ...args: (string | number)[]): Promise<unknown>;
  limpetSync(keys: number, ...args: (string | number)[]): Promise<unknown>;
  limpetMove(key: string, ...args: (string | number)[]): Promise<unknown>;
  limpetRelease(key: string, ...args: (string | number)[]): Promise<unknown>;
  limpetEnd(key: string, ...args: (string | number)[]): Promise<unknown>;
  limpetUser(key: string, ...args: (string | number)[]): Promise<unknown>;
  limpetSeen(key: string, ...args: (string | number)[]): Promise<unknown>;
  limpetLife(key: string, ...args: (string | number)[]): Promise<unknown>;
}
