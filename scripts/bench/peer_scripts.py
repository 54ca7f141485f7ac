"""The peers of the benchmarks, as programs: each prints how many tokens it wrote.

Arguments: model, threads, KV cells, most new tokens, chats.jsonl; then for the loop the layers on
the GPU, if any; for the servers the parallelism, and then for llama-server its path, for the other
`split` to split its cache among the slots.
"""

_READ = """
import json, sys
model, threads, ctx, max_tokens, chats = sys.argv[1:6]
chats = [json.loads(line)["messages"] for line in open(chats)]
"""

LOOP = (
    _READ
    + """
from llama_cpp import llama_cpp as lib
if b"AMX_INT8 = 1" in lib.llama_print_system_info():  # they crash when built by GCC
    defaults = lib.llama_model_default_params
    def without_amx():
        params = defaults()
        params.use_extra_bufts = False
        return params
    lib.llama_model_default_params = without_amx
from llama_cpp import Llama
llama = Llama(model, n_ctx=int(ctx), n_threads=int(threads), n_threads_batch=int(threads),
              n_gpu_layers=int(sys.argv[6]) if sys.argv[6:] else 0, verbose=False)
tokens = 0
for chat in chats:
    answer = llama.create_chat_completion(chat, max_tokens=int(max_tokens), temperature=0,
                                          repeat_penalty=1.0)
    tokens += answer["usage"]["completion_tokens"]
print(tokens)
"""
)

SERVER = (
    _READ
    + """
from concurrent.futures import ThreadPoolExecutor
import xllamacpp
parallel = int(sys.argv[6])
params = xllamacpp.CommonParams()
params.model.path = model
params.n_parallel = parallel
params.n_ctx = int(ctx)
params.kv_unified = "split" not in sys.argv
params.n_batch = params.n_ubatch = 512
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(threads)
params.warmup = False
params.verbosity = 0
server = xllamacpp.Server(params)
def answer(chat):
    body = {"messages": chat, "max_tokens": int(max_tokens), "temperature": 0.0,
            "repeat_penalty": 1.0}
    found = server.handle_chat_completions(body)
    return found["usage"]["completion_tokens"]
with ThreadPoolExecutor(max(parallel, 1)) as pool:
    print(sum(pool.map(answer, chats)), flush=True)
import os
os._exit(0)  # its threads take seconds to stop
"""
)

LLAMA_SERVER = (
    _READ
    + """
import socket, subprocess, time
from concurrent.futures import ThreadPoolExecutor
import requests
parallel, binary = int(sys.argv[6]), sys.argv[7]
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
server = subprocess.Popen(
    [binary, "-m", model, "-t", threads, "-c", ctx, "-np", str(parallel), "--kv-unified",
     "-b", "512", "-ub", "512", "--no-warmup", "--port", str(port), "--offline"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=parallel))
url = f"http://127.0.0.1:{port}"
def ready():
    try:
        return session.get(url + "/health", timeout=1).ok
    except requests.RequestException:
        return False
while not ready():
    if server.poll() is not None:
        sys.exit("llama-server did not start")
    time.sleep(0.02)
def answer(chat):
    body = {"messages": chat, "max_tokens": int(max_tokens), "temperature": 0.0,
            "repeat_penalty": 1.0}
    found = session.post(url + "/v1/chat/completions", json=body)
    found.raise_for_status()
    return found.json()["usage"]["completion_tokens"]
try:
    with ThreadPoolExecutor(parallel) as pool:
        print(sum(pool.map(answer, chats)), flush=True)
finally:
    server.kill()
"""
)
