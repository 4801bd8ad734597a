/* Function calls: the Python program that makes them, and the frames it answers with.
 * SPDX-License-Identifier: MIT
 *
 * The function's code shares an interpreter with the harness and can do to it what it likes. What it
 * cannot reach is the expected values and the comparison, which stay in the judge: whatever it writes
 * is a claim about results, so a forged frame earns no more than the same value returned. Frames carry
 * a nonce so that honest prints are never taken for results; a claim out of order or without the nonce
 * ends the reading. */
#include "reward/code/code_int.h"

#include <stdlib.h>

/* Reads everything before the solution is loaded, keeps its own names of what it needs later, and
 * leaves by os._exit, so that exit handlers and threads of the solution have no say. Values are written
 * by type and by hand: no method of the solution's classes is called. */
const char CODE_HARNESS[] =
    "import json, os, sys\n"
    "def main():\n"
    "    write, leave, loads, escape = os.write, os._exit, json.loads, json.encoder.encode_basestring_ascii\n"
    "    nonce, entry, *cases = sys.stdin.buffer.read().decode().split('\\n')[:-1]\n"
    "    channel, null = os.dup(1), os.open('/dev/null', os.O_RDWR)\n"
    "    os.dup2(null, 0); os.dup2(null, 1)\n"
    "    sys.path[:] = [p for p in sys.path if p.startswith('/usr')]\n"
    "    def send(kind, i, text):\n"
    "        data = f'{nonce} {kind} {i} {text}\\n'.encode()\n"
    "        while data: data = data[write(channel, data):]\n"
    "    def encode(v):\n"
    "        t = type(v)\n"
    "        if v is None: return 'null'\n"
    "        if v is True: return 'true'\n"
    "        if v is False: return 'false'\n"
    "        if issubclass(t, int):\n"
    "            s = int.__repr__(v)\n"
    "            if not -2**63 <= int(s) < 2**63: raise ValueError('integer beyond 64 bits')\n"
    "            return s\n"
    "        if issubclass(t, float):\n"
    "            s = float.__repr__(v)\n"
    "            if s in ('nan', 'inf', '-inf'): raise ValueError('not a finite number')\n"
    "            return s\n"
    "        if issubclass(t, str): return escape(str.__str__(v))\n"
    "        if issubclass(t, list): return '[' + ','.join([encode(x) for x in list.__iter__(v)]) + ']'\n"
    "        if issubclass(t, tuple): return '[' + ','.join([encode(x) for x in tuple.__iter__(v)]) + ']'\n"
    "        if issubclass(t, dict):\n"
    "            parts = []\n"
    "            for k, x in dict.items(v):\n"
    "                if type(k) is not str: raise TypeError('key that is not text')\n"
    "                parts.append(escape(k) + ':' + encode(x))\n"
    "            return '{' + ','.join(parts) + '}'\n"
    "        raise TypeError('a value of type ' + t.__name__)\n"
    "    def why(e):\n"
    "        try: text = f'{type(e).__name__}: {e}'\n"
    "        except BaseException: text = type(e).__name__\n"
    "        return escape(text[:300].encode('utf-8', 'replace').decode())\n"
    "    try:\n"
    "        module = type(sys)('solution')\n"
    "        sys.modules['solution'] = module\n"
    "        with open('solution.py', encoding='utf-8') as f: source = f.read()\n"
    "        exec(compile(source, 'solution.py', 'exec', dont_inherit=True), module.__dict__)\n"
    "        call = module.__dict__.get(entry)\n"
    "        if call is None and 'Solution' in module.__dict__: call = getattr(module.Solution(), entry)\n"
    "        if call is None: raise NameError('no function ' + entry)\n"
    "    except BaseException as e:\n"
    "        send('e', 0, why(e))\n"
    "        leave(1)\n"
    "    for i, case in enumerate(cases):\n"
    "        kind = 'e'\n"
    "        try:\n"
    "            value = call(*loads(case))\n"
    "            kind = 'u'\n"
    "            text = encode(value)\n"
    "            kind = 'v'\n"
    "        except BaseException as e: text = why(e)\n"
    "        send(kind, i, text)\n"
    "    leave(0)\n"
    "main()\n";

void code_call_input(buf *out, const code_task *t, const char nonce[CODE_NONCE + 1])
{
    buf_clear(out);
    buf_printf(out, "%s\n", nonce);
    buf_add_str(out, t->entry);
    buf_add_char(out, '\n');
    for (size_t i = 0; i < t->total; i++) {
        char *args = json_dumps(json_object_get(json_array_get(t->cases, i), "args"),
                                JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(17));
        if (!args) {
            out->failed = true;
            return;
        }
        buf_add_str(out, str_of(args));
        buf_add_char(out, '\n');
        free(args);
    }
}

/* "NONCE v 12 JSON" -> kind, index, payload. Kinds: v a value, u a value that JSON has no form for,
 * e an exception; the latter two with a text that explains. */
static bool take_frame(str line, const char *nonce, char *kind, size_t *index, str *payload)
{
    if (line.n < CODE_NONCE + 5 || memcmp(line.p, nonce, CODE_NONCE) != 0) return false;
    const char *p = line.p + CODE_NONCE, *end = line.p + line.n;
    if (p[0] != ' ' || (p[1] != 'v' && p[1] != 'u' && p[1] != 'e') || p[2] != ' ') return false;
    *kind = p[1];
    p += 3;
    size_t digits = 0;
    for (*index = 0; p < end && *p >= '0' && *p <= '9' && digits < 8; p++, digits++)
        *index = 10 * *index + (size_t)(*p - '0');
    if (digits == 0 || p == end || *p != ' ') return false;
    *payload = (str){p + 1, (size_t)(end - p - 1)};
    return true;
}

static enum code_call judge_frame(const code_task *t, size_t i, char kind, str payload, buf *raised)
{
    json_t *got;
    if (json_parse(&got, payload, "result", NULL) != PONDER_OK) return CALL_OTHER;
    const json_t *want = json_object_get(json_array_get(t->cases, i), "expect");
    enum code_call result = CALL_OTHER;
    if (kind == 'v' && code_same_value(want, got, t->tolerance)) result = CALL_SAME;
    if (kind == 'e') result = str_starts(json_str(got), STR("MemoryError")) ? CALL_MEMORY : CALL_RAISED;
    if (kind != 'v' && raised && !raised->n) buf_add_str(raised, json_str(got));
    json_decref(got);
    return result;
}

bool code_read_frames(enum code_call *results, const code_task *t, str frames,
                      const char nonce[CODE_NONCE + 1], buf *raised)
{
    size_t next = 0, index;
    for (size_t i = 0; i < t->total; i++) results[i] = CALL_MISSING;
    while (frames.n) {
        const char *end = memchr(frames.p, '\n', frames.n);
        if (!end) return true; /* cut off: the program was stopped while it wrote */
        str line = {frames.p, (size_t)(end - frames.p)}, payload;
        char kind;
        if (!take_frame(line, nonce, &kind, &index, &payload)) return false;
        if (index != next || next >= t->total) return false;
        results[next++] = judge_frame(t, index, kind, payload, raised);
        frames.p = end + 1;
        frames.n -= line.n + 1;
    }
    return true;
}
