/* The costly loops of a heap's reading, for those who have a C compiler: `python3 -m gdbheap setup` compiles this file
 * once (library.py says where it goes and when it is loaded). Without it numpy does the same, with the same answers.
 *
 * All numbers that come from the target's memory may be anything: none is used as an index before it was held against
 * the array's length. Nothing here allocates, keeps state, or writes beyond the room that it was given. No header is
 * included, so that none need be there. */

typedef __UINT64_TYPE__ u64;
typedef __INT64_TYPE__ i64;
typedef __UINT32_TYPE__ u32;
typedef __INT32_TYPE__ i32;
typedef __UINT8_TYPE__ u8;

extern __INTPTR_TYPE__ pread64(int, void *, __SIZE_TYPE__, i64);
extern int *__errno_location(void);

struct span {
  u64 start;
  u64 size;
};
extern __INTPTR_TYPE__ process_vm_readv(int, const struct span *, unsigned long, const struct span *, unsigned long,
                                        unsigned long);

#define EINTR 4
#define SPANS 256 /* so many are read at once */
#define FEW 32 /* so many searches go side by side, each waiting for its own part of memory */

/* Follow chunks from the size word at `position`: the index of each size word goes into `rows` (room for `most`).
 * Returns how many; `next` is where the next one lies, at or past `bound`, or no chunk's. `bound` is within `words`. */
u64 gdbheap_chain(const u64 *words, u64 position, u64 bound, u64 least, u64 misaligned, i64 *rows, u64 most,
                  u64 *next) {
  u64 found = 0;
  while (position < bound && found < most) {
    u64 raw = words[position];
    if (raw < least || raw & misaligned)
      break;
    rows[found++] = (i64)position;
    position += raw >> 3;
  }
  *next = position;
  return found;
}

/* Keep the words of which (word - low) << shift is below `span`: their places and themselves. Returns how many; `highest`
 * is the largest of them. */
u64 gdbheap_sieve(const u64 *words, u64 count, u64 low, u32 shift, u64 span, u32 *places, u64 *within, u64 *highest) {
  u64 kept = 0, top = 0, at = 0;
  while (at < count) {
    /* (Where pointers are few, most fours hold none.) */
    while (at + 4 <= count) {
      int first = (words[at] - low) << shift < span, second = (words[at + 1] - low) << shift < span;
      int third = (words[at + 2] - low) << shift < span, fourth = (words[at + 3] - low) << shift < span;
      if (first | second | third | fourth)
        break;
      at += 4;
    }
    for (u64 end = at + 4 < count ? at + 4 : count; at < end; at++) {
      u64 word = words[at];
      places[kept] = (u32)at;
      within[kept] = word;
      int is_in = (word - low) << shift < span;
      kept += is_in;
      top = is_in && word > top ? word : top;
    }
  }
  *highest = top;
  return kept;
}

/* A table of where to begin among starts, which ascend: they lie in `regions`, each from `low` on, with `first` place of
 * the table, the last of it `most` places on; a place stands for 1 << shift bytes (starts.py fills it). */
struct starts {
  const u64 *start;
  u64 count;
  const u64 *low;
  const i64 *first;
  const u64 *most;
  u64 regions;
  const i32 *table;
  u64 places;
  u64 shift;
};

/* Returns the last of `count` numbers, which ascend, that is at or below `value`, -1 for none. */
static i64 last_below(const u64 *numbers, u64 count, u64 value) {
  const u64 *base = numbers;
  if (!count || *numbers > value)
    return -1;
  while (count > 1) {
    u64 half = count / 2;
    base = base[half] <= value ? base + half : base;
    count -= half;
  }
  return base - numbers;
}

/* Say of each word, in `inside`, whether it lies in one of the `ranges`, which ascend and lie apart. */
void gdbheap_inside(const u64 *start, const u64 *end, u64 ranges, const u64 *words, u64 count, u8 *inside) {
  for (u64 at = 0; at < count; at++) {
    i64 range = last_below(start, ranges, words[at]);
    inside[at] = range >= 0 && words[at] < end[range];
  }
}

/* Set the bit of each address in a table of `mask` + 1 bits, by those above its lowest four. */
void gdbheap_mark(const u64 *addresses, u64 count, u64 mask, u64 *table) {
  for (u64 at = 0; at < count; at++) {
    u64 bit = addresses[at] >> 4 & mask;
    table[bit >> 6] |= 1ull << (bit & 63);
  }
}

/* Add one to the hits of each word that is among the addresses, which ascend and are marked in the table, once it is
 * XORed with `key`. */
void gdbheap_hits(const u64 *table, u64 mask, const u64 *addresses, u64 count, u64 key, const u64 *words, u64 many,
                  u8 *hits) {
  for (u64 at = 0; at < many; at++) {
    u64 word = words[at] ^ key, bit = word >> 4 & mask;
    if (table[bit >> 6] >> (bit & 63) & 1) {
      i64 found = last_below(addresses, count, word);
      hits[at] += found >= 0 && addresses[found] == word;
    }
  }
}

static i64 place_of(const struct starts *in, u64 address, i64 region) {
  u64 place = (address - in->low[region]) >> in->shift;
  return in->first[region] + (i64)(place < in->most[region] ? place : in->most[region]);
}

/* Returns the last start at or before the address, from the one that the table has for its place on. */
static i64 step_on(const struct starts *in, u64 address, i64 place) {
  i64 begin = in->table[place], end = (u64)place + 1 < in->places ? in->table[place + 1] : (i64)in->count - 1;
  if (begin < 0 || end >= (i64)in->count || end < begin)
    return last_below(in->start, in->count, address);
  if (end - begin > 8)
    return begin + last_below(in->start + begin, (u64)(end - begin) + 1, address);
  while (begin < end && in->start[begin + 1] <= address)
    begin++;
  return begin;
}

/* Find up to FEW addresses. */
static void find_few(const struct starts *in, const u64 *addresses, u64 count, i64 *found) {
  i64 region = 0;
  for (u64 at = 0; at < count; at++) {
    u64 address = addresses[at];
    if (!in->regions || address < in->low[0]) {
      found[at] = -1;
      continue;
    }
    if (address < in->low[region] || ((u64)region + 1 < in->regions && in->low[region + 1] <= address))
      region = last_below(in->low, in->regions, address);
    found[at] = place_of(in, address, region);
    __builtin_prefetch(in->table + found[at]);
  }
  for (u64 at = 0; at < count; at++)
    if (found[at] >= 0) {
      i64 begin = in->table[found[at]];
      __builtin_prefetch(in->start + (begin < 0 ? 0 : begin));
    }
  for (u64 at = 0; at < count; at++)
    if (found[at] >= 0)
      found[at] = step_on(in, addresses[at], found[at]);
}

/* Fill the table of `in`, all else of which is there: each place has the last start at or before where it begins. */
void gdbheap_fill(const struct starts *in, const i64 *first_of_region, i32 *table) {
  u64 place = 0, region = 0;
  for (u64 at = 0; at < in->count; at++) {
    while (region + 1 < in->regions && first_of_region[region + 1] <= (i64)at)
      region++;
    u64 within = in->start[at] - in->low[region];
    u64 from = (u64)in->first[region] + (within >> in->shift) + ((within & ((1ull << in->shift) - 1)) > 0);
    while (place < from && place < in->places)
      table[place++] = (i32)at - 1;
  }
  while (place < in->places)
    table[place++] = (i32)in->count - 1;
}

/* The index of the last start at or before each address, -1 where there is none. */
void gdbheap_before(const struct starts *in, const u64 *addresses, u64 count, i64 *found) {
  for (u64 at = 0; at < count; at += FEW)
    find_few(in, addresses + at, count - at < FEW ? count - at : FEW, found + at);
}

struct edges {
  i32 *source;
  u32 *place;
  i32 *target;
  u32 *offset;
  u64 found;
};

static u32 held(u64 number) { return number > 0xffffffff ? 0xffffffff : (u32)number; }

/* Of the `words` at these `places` (ascending, counted in words from `address` on), add those that lie in a block and
 * point into one to `out`, which has room for all. */
void gdbheap_edges(const struct starts *in, const u64 *end, u64 address, const u32 *places, const u64 *words, u64 count,
                   struct edges *out) {
  i64 target[FEW], source = last_below(in->start, in->count, address), last = (i64)in->count - 1;
  u64 found = out->found;
  for (u64 from = 0; from < count; from += FEW) {
    u64 here = count - from < FEW ? count - from : FEW;
    find_few(in, words + from, here, target);
    for (u64 at = 0; at < here; at++)
      if (target[at] >= 0)
        __builtin_prefetch(end + target[at]);
    for (u64 at = 0; at < here; at++) {
      u64 word = words[from + at], where = address + 8ull * places[from + at];
      if (target[at] < 0 || word >= end[target[at]])
        continue;
      while (source < last && in->start[source + 1] <= where)
        source++;
      if (source < 0 || where >= end[source])
        continue;
      out->source[found] = (i32)source;
      out->place[found] = held(where - in->start[source]);
      out->target[found] = (i32)target[at];
      out->offset[found] = held(word - in->start[target[at]]);
      found++;
    }
  }
  out->found = found;
}

/* Number the values in the order in which they come first: each row's number goes into `codes`, where each number comes
 * first into `first`, which has room for `most`. `table` has `mask` + 1 places of -1. Returns how many differ; more than
 * `most` where there are more, or where some are such that they meet too often in the table. */
u64 gdbheap_codes(const u64 *values, u64 count, i32 *table, u64 mask, i64 *codes, i64 *first, u64 most) {
  u64 found = 0;
  for (u64 at = 0; at < count; at++) {
    u64 value = values[at], place = (value ^ value >> 29) * 0x9e3779b97f4a7c15ull >> 32 & mask, tries = 0;
    while (table[place] >= 0 && values[first[table[place]]] != value) {
      if (++tries > FEW)
        return most + 1;
      place = (place + 1) & mask;
    }
    if (table[place] < 0) {
      if (found == most)
        return most + 1;
      first[found] = (i64)at;
      table[place] = (i32)found++;
    }
    codes[at] = table[place];
  }
  return found;
}

/* Put the words from each of `count` addresses on, so many `columns`, into the rows of `out`, as far as they are among the
 * `length` words that were read from `base` on; what is not is left as it was. */
void gdbheap_take(const u64 *addresses, u64 count, u64 base, const u64 *words, u64 length, u64 columns, u64 *out) {
  for (u64 row = 0; row < count; row++) {
    i64 first = (i64)(addresses[row] - base) >> 3;
    for (u64 column = 0; column < columns; column++) {
      i64 place = first + (i64)column;
      if (place >= 0 && (u64)place < length)
        out[row * columns + column] = words[place];
    }
  }
}

/* Follow `next` from `row` on until it is negative: the rows go into `rows`, which has room for all `count`. Returns how
 * many there were, 0 where they go round or lead out of the array. */
u64 gdbheap_follow(const i32 *next, u64 count, i64 row, i32 *rows) {
  for (u64 found = 0; found < count;) {
    if (row < 0 || (u64)row >= count)
      return 0;
    rows[found++] = (i32)row;
    row = next[row];
    if (row < 0)
      return found;
  }
  return 0;
}

/* From each of `count` starts on along `next` as long as the node there is `open`, which it is no more then. The nodes go
 * into `path`, the one before each into `before`; both have room for all `nodes`. Returns how many they are. */
u64 gdbheap_walk(const i32 *next, u8 *open, u64 nodes, const i32 *starts, u64 count, i32 *path, i32 *before) {
  u64 found = 0;
  for (u64 each = 0; each < count; each++) {
    for (i64 node = starts[each]; node >= 0 && (u64)node < nodes;) {
      i32 after = next[node];
      if (after < 0 || (u64)after >= nodes || !open[after])
        break;
      open[after] = 0;
      path[found] = after, before[found++] = (i32)node;
      node = after;
    }
  }
  return found;
}

/* What reach.py's _narrow() says: go on from the nodes in `queue`, of which `told[0]` are there and `room` fit, and give
 * every node that has no owner (-1) that of the one it is reached from. The targets of a node are those from its
 * `begin` to the next one's. Ends when more than `wide` nodes wait, or with none left; then told[0] are in the queue,
 * and told[1] are done. */
void gdbheap_narrow(const i64 *begin, const i32 *targets, i32 *owner, u64 count, i32 *queue, u64 room, u64 wide,
                    u64 *told) {
  u64 length = told[0], done = 0;
  while (done < length) {
    u64 node = (u64)queue[done++];
    if (node >= count)
      break;
    i64 at = begin[node], end = begin[node + 1];
    i32 mine = owner[node];
    while (end - at == 1) {
      u64 only = (u64)targets[at];
      if (only >= count || owner[only] != -1) {
        at = end;
        break;
      }
      owner[only] = mine;
      at = begin[only], end = begin[only + 1];
    }
    for (; at < end; at++) {
      u64 target = (u64)targets[at];
      if (target < count && owner[target] == -1 && length < room) {
        owner[target] = mine;
        queue[length++] = (i32)target;
      }
    }
    if (length - done > wide)
      break;
  }
  told[0] = length, told[1] = done;
}

/* Returns 1 + n where the 16 bytes begin with n letters of text, ASCII or UTF-8, and a zero; 1 where with none; 255 where
 * they are all letters. */
static u8 letters_of(const u8 *head) {
  u32 missing = 0; /* bytes of a letter beyond ASCII */
  for (u32 place = 0; place < 16; place++) {
    u8 octet = head[place];
    if (octet == 0)
      return missing ? 1 : (u8)(place + 1);
    if ((octet < 0x20 && (octet < 9 || octet > 13)) || octet == 0x7f)
      return 1;
    if (missing ? (octet & 0xc0) != 0x80 : octet >= 0x80 && (octet < 0xc2 || octet > 0xf4))
      return 1;
    missing = missing ? missing - 1 : octet < 0x80 ? 0 : octet < 0xe0 ? 1 : octet < 0xf0 ? 2 : 3;
  }
  return 255;
}

/* Note in `letters` what the heads of `many` blocks tell, of which nothing is known there (0). */
void gdbheap_letters(const u8 (*heads)[16], u64 count, const i32 *blocks, u64 many, u8 *letters) {
  for (u64 at = 0; at < many; at++) {
    u64 block = (u64)blocks[at];
    if (block < count && !letters[block])
      letters[block] = letters_of(heads[block]);
  }
}

static u64 mixed(u64 value) {
  value = (value ^ value >> 29) * 0xa0761d6478bd642f;
  return value ^ value >> 32;
}

/* What deep_shapes.py calls the sum of its edges for each of `count` nodes. Those of a node are from its `begin` on to the
 * next one's; there are `edges` in all, each with what its place is mixed to, and its target, which has a shape. */
void gdbheap_mixed_sums(const i64 *begin, u64 count, const u64 *place, const i32 *target, u64 edges, const u64 *shape,
                        u64 *sums) {
  for (u64 node = 0; node < count; node++) {
    u64 sum = 0, end = (u64)begin[node + 1];
    for (u64 at = (u64)begin[node]; at < end && at < edges; at++) {
      u64 led_to = (u64)target[at];
      sum += mixed(place[at] ^ (led_to < count ? mixed(shape[led_to]) : 0));
    }
    sums[node] = sum;
  }
}

/* Put into `begin`, which has `count` + 1 places, where the edges of each of `count` nodes begin; `source` ascends. */
void gdbheap_begins(const i32 *source, u64 edges, u64 count, i64 *begin) {
  u64 node = 0;
  for (u64 at = 0; at < edges; at++)
    while (node <= count && (i64)node <= source[at])
      begin[node++] = (i64)at;
  while (node <= count)
    begin[node++] = (i64)edges;
}

/* What words.py calls typed words: the graph's edges, what is known of blocks, how the types that occur are laid out
 * (slots.py), the words for what is not in a table, and room for what is found. */
struct typed_words {
  const i32 *source;
  const u32 *place;
  const i32 *target;
  const u32 *offset;
  u64 edges;
  const u64 *start;
  const i64 *room;
  const i32 *type;
  const u32 *part;
  const i32 *count;
  const u8 *whole, *trust;
  u64 blocks;
  const i32 *local;
  u64 types;
  const i64 *size, *base, *words, *flexible, *stride, *flexible_base, *flexible_words;
  u64 locals;
  const i32 *table;
  const u8 *many_of;
  u64 places;
  u64 word;
  i64 padding, bytes, nothing, mixed, wanted;
  i32 *targets;
  u32 *offsets;
  i32 *codes;
  i64 *slots;
  u8 *many;
  i32 *parents;
  u64 *addresses;
  u8 *trusted;
};

/* Returns the place in the table of what lies so far inside an object of a type, -1 for none; `code` is what it is. */
static i64 slot_at(const struct typed_words *in, u64 local, i64 inside, i64 behind, int is_array, int whole, i32 *code) {
  i64 size = in->size[local], flexible = in->flexible[local], slot = -1;
  if (is_array && size > 0 && inside >= 0)
    inside %= size;
  if (inside >= 0 && inside / (i64)in->word < in->words[local])
    slot = in->base[local] + inside / (i64)in->word;
  int is_behind = flexible >= 0 && inside >= flexible;
  if (is_behind) {
    i64 stride = in->stride[local] > 1 ? in->stride[local] : 1, within = (inside - flexible) % stride / (i64)in->word;
    slot = within < in->flexible_words[local] ? in->flexible_base[local] + within : -1;
  }
  *code = (i32)(inside < 0 || is_behind || inside < size || !whole ? in->bytes : in->padding);
  if (behind)
    slot = -1, *code = (i32)(whole ? in->padding : in->bytes);
  if (slot < 0 || (u64)slot >= in->places)
    return -1;
  *code = in->table[slot];
  return slot;
}

static int is_wanted(const struct typed_words *in, i64 code, i64 slot) {
  switch (in->wanted) {
  case 1: return code >= 0 || code == in->mixed;
  case 2: return slot >= 0 && (code == in->nothing || code == in->mixed);
  default: return 1;
  }
}

/* Put what the chosen of the edges are into the columns, those that are wanted (0: all; 1: what leads to something with a
 * type; 2: what may lead to anything). Where words lie in objects inside blocks, `inner` has the type of each of
 * these (-1: no such) and `within` how far inside. Returns how many there are; -1 if a type is not laid out yet. */
i64 gdbheap_typed_words(const struct typed_words *in, const i64 *chosen, u64 count, const i32 *inner, const i64 *within) {
  i64 found = 0;
  for (u64 each = 0; each < count; each++) {
    u64 edge = (u64)chosen[each], source = edge < in->edges ? (u64)in->source[edge] : in->blocks;
    if (source >= in->blocks)
      continue;
    int is_inner = inner && inner[each] >= 0, is_array = !is_inner && in->count[source] > 0;
    int whole = !is_inner && in->whole[source];
    i64 type = is_inner ? inner[each] : in->type[source];
    i64 inside = is_inner ? within[each] : (i64)in->place[edge] - (i64)in->part[source];
    u64 local = type >= 0 && (u64)type < in->types ? (u64)in->local[type] : 0;
    if ((type >= 0 && !local) || local >= in->locals)
      return -1;
    i64 size = in->size[local], room = in->room[source] - (i64)in->part[source];
    /* (What malloc gave more than an array's elements need.) */
    int behind = is_array && room >= size && inside >= room - room % (size > 1 ? size : 1);
    i32 code;
    i64 slot = slot_at(in, local, inside, behind, is_array, whole, &code);
    if (!is_wanted(in, code, slot))
      continue;
    in->targets[found] = in->target[edge];
    in->offsets[found] = in->offset[edge];
    in->codes[found] = code;
    in->slots[found] = slot;
    in->many[found] = slot >= 0 && in->many_of[slot];
    in->parents[found] = (i32)source;
    in->addresses[found] = in->start[source] + in->place[edge];
    in->trusted[found++] = in->trust[source];
  }
  return found;
}

/* Read so many bytes of the process from `address` on: in one go where the kernel lets us, else from `file`, its memory.
 * Returns how many could be read. */
static u64 read_some(int process, int file, u64 address, u8 *buffer, u64 size) {
  struct span near = {(u64)(__UINTPTR_TYPE__)buffer, size}, far = {address, size};
  u64 read = 0;
  u8 octet;
  if (process_vm_readv(process, &near, 1, &far, 1, 0) == (__INTPTR_TYPE__)size &&
      pread64(file, &octet, 1, (i64)address) == 1) /* (it is still the same program) */
    return size;
  while (read < size) {
    __INTPTR_TYPE__ got = pread64(file, buffer + read, size - read, (i64)(address + read));
    if (got < 0 && *__errno_location() == EINTR)
      continue;
    if (got <= 0)
      break;
    read += (u64)got;
  }
  return read;
}

/* Fill `buffer` with `size` bytes from `address` on, which lie in the pages from `touched` on (a byte for each, the
 * first of them holding `address`): those that the process has touched are read from it, or from `file`, its memory;
 * others are zeros. Returns how many bytes are filled: fewer where a read failed. */
u64 gdbheap_read_pages(int process, int file, u64 address, u8 *buffer, u64 size, const u8 *touched, u64 page_size) {
  u64 done = 0, page = 0;
  while (done < size) {
    u8 kind = touched[page];
    u64 until = page_size - (address + done) % page_size;
    for (page++; done + until < size && touched[page] == kind; page++)
      until += page_size;
    if (until > size - done)
      until = size - done;
    if (!kind) {
      __builtin_memset(buffer + done, 0, until);
    } else {
      u64 read = read_some(process, file, address + done, buffer + done, until);
      if (read < until)
        return done + read;
    }
    done += until;
  }
  return done;
}

/* Fill each of `count` rows with `size` bytes of the process from its address on. Returns whether all could be read, and
 * `file`, the process's memory, is still that of the same program. */
int gdbheap_read_rows(int process, int file, const u64 *addresses, u64 count, u64 size, u8 *rows) {
  struct span far[SPANS];
  u8 octet;
  for (u64 at = 0; at < count;) {
    u64 many = count - at < SPANS ? count - at : SPANS;
    struct span near = {(u64)(__UINTPTR_TYPE__)(rows + at * size), many * size};
    for (u64 each = 0; each < many; each++)
      far[each].start = addresses[at + each], far[each].size = size;
    if (process_vm_readv(process, &near, 1, far, many, 0) != (__INTPTR_TYPE__)near.size)
      return 0;
    at += many;
  }
  return !count || pread64(file, &octet, 1, (i64)addresses[0]) == 1;
}

/* Put what the chunks hold of which the size words are at `rows` into columns: where each begins, counted from the word
 * before the first size word on, which lies at `base`, the size word, and the two words behind it (0 behind the last). */
void gdbheap_columns(const u64 *words, u64 length, const i64 *rows, u64 count, u64 base, u64 *address, u64 *raw, u64 *fd,
                     u64 *bk) {
  for (u64 at = 0; at < count; at++) {
    u64 row = (u64)rows[at];
    address[at] = base + 8 * (row - 1);
    raw[at] = row < length ? words[row] : 0;
    fd[at] = row + 1 < length ? words[row + 1] : 0;
    bk[at] = row + 2 < length ? words[row + 2] : 0;
  }
}

/* Put the two words from each place on into `heads`, 0 for those behind the last. */
void gdbheap_heads(const u64 *words, u64 length, const i64 *places, u64 count, u64 *heads) {
  for (u64 at = 0; at < count; at++) {
    u64 place = (u64)places[at];
    heads[2 * at] = place < length ? words[place] : 0;
    heads[2 * at + 1] = place + 1 < length ? words[place + 1] : 0;
  }
}

/* Put the two words of those of the places, which ascend and are counted in words from `base` on, that are among the
 * `starts`, which ascend, into the rows of `heads` that are these, and mark them in `known`. */
void gdbheap_give(const u64 *starts, u64 count, u64 base, const u32 *places, const u64 *words, u64 many, u64 *heads,
                  u8 *known) {
  i64 before = many ? last_below(starts, count, base + 8ull * places[0]) : 0;
  u64 row = before < 0 ? 0 : (u64)before;
  for (u64 at = 0; at < many; at++) {
    u64 address = base + 8ull * places[at];
    while (row < count && starts[row] < address)
      row++;
    if (row < count && starts[row] == address) {
      heads[2 * row] = words[2 * at], heads[2 * row + 1] = words[2 * at + 1];
      known[row] = 1;
    }
  }
}

/* Leave of the words, and their places, those up to `highest`, and put the others into `far_places` and `far_words`, which
 * have room for all. Returns how many are left. */
u64 gdbheap_part(u32 *places, u64 *words, u64 count, u64 highest, u32 *far_places, u64 *far_words) {
  u64 near = 0, far = 0;
  for (u64 at = 0; at < count; at++) {
    u64 word = words[at];
    u32 place = places[at];
    int is_near = word <= highest;
    far_places[far] = place, far_words[far] = word;
    places[near] = place, words[near] = word;
    near += is_near, far += !is_near;
  }
  return near;
}
