#!/usr/bin/env python3
"""Writes the model vectors: tiny random checkpoints in Hugging Face form and the log-probabilities
that PyTorch + transformers give for 64 tokens.

Usage: python3 tests/model/gen_vectors.py [OUT]      (needs torch, transformers, safetensors; OUT is
tests/model/vectors). Each OUT/NAME/ holds config.json, model.safetensors and expected.json with
"ids", "logprobs" (of the next id, 63 numbers) and the tolerance. The multi-token prediction module, which
transformers does not have, is computed here from its formula with transformers' own layers.
SPDX-License-Identifier: MIT
"""
import json, math, sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (DeepseekV2Config, DeepseekV2ForCausalLM, DeepseekV3Config,
                          DeepseekV3ForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM)

POSITIONS = 64
VOCAB = 96

DENSE = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=256, rms_norm_eps=1e-5)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)
MLA = dict(vocab_size=VOCAB, hidden_size=32, intermediate_size=48, moe_intermediate_size=16,
           num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, first_k_dense_replace=1, kv_lora_rank=32,
           qk_nope_head_dim=16, qk_rope_head_dim=16, v_head_dim=16, max_position_embeddings=256,
           rms_norm_eps=1e-6)
V3 = dict(MLA, n_routed_experts=8, num_experts_per_tok=3, n_shared_experts=1, q_lora_rank=16,
          n_group=4, topk_group=2, norm_topk_prob=True, routed_scaling_factor=2.5)
YARN = dict(type="yarn", factor=40.0, original_max_position_embeddings=32, beta_fast=32,
            beta_slow=1)

# name: (config class, model class, published model_type, config, rope scaling as published, dtype)
CASES = {
    "llama": (LlamaConfig, LlamaForCausalLM, "llama", DENSE, LLAMA3, 500000.0, torch.float32),
    "llama_tied": (LlamaConfig, LlamaForCausalLM, "llama",
                   dict(DENSE, tie_word_embeddings=True), LLAMA3, 500000.0, torch.float32),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, "qwen2", DENSE, None, 10000.0, torch.float32),
    "qwen2_bf16": (Qwen2Config, Qwen2ForCausalLM, "qwen2", DENSE, None, 10000.0, torch.bfloat16),
    "v2_lite": (DeepseekV2Config, DeepseekV2ForCausalLM, "deepseek_v2",
                dict(MLA, n_routed_experts=8, num_experts_per_tok=3, n_shared_experts=2,
                     q_lora_rank=None, n_group=1, topk_group=1, topk_method="greedy", norm_topk_prob=False,
                     routed_scaling_factor=1.0),
                dict(YARN, mscale=0.707, mscale_all_dim=0.707), 10000.0, torch.float32),
    "v3": (DeepseekV3Config, DeepseekV3ForCausalLM, "deepseek_v3",
           V3,
           dict(YARN, mscale=1.0, mscale_all_dim=1.0), 10000.0, torch.float32),
    "v3_bf16": (DeepseekV3Config, DeepseekV3ForCausalLM, "deepseek_v3",
                V3,
                dict(YARN, mscale=1.0, mscale_all_dim=1.0), 10000.0, torch.bfloat16),
}


def randomise(model, generator, gain=1.5):
    """Weights large enough that attention is not flat and the logits differ by several nats."""
    with torch.no_grad():
        for name, p in list(model.named_parameters()) + list(model.named_buffers()):
            noise = torch.randn(p.shape, generator=generator)
            if "inv_freq" in name: continue
            if "norm" in name: p.copy_(1 + 0.2 * noise)
            elif "e_score_correction_bias" in name: p.copy_(0.1 * noise)
            elif name.endswith("bias"): p.copy_(0.3 * noise)
            elif "embed" in name: p.copy_(noise)
            else: p.copy_(noise * gain / math.sqrt(p.shape[-1]))


def published_tensors(model):
    """The state dict with stacked experts taken apart into the published per-expert names."""
    out = {}
    for name, t in model.state_dict().items():
        if name.endswith("mlp.experts.gate_up_proj"):
            base = name[: -len("gate_up_proj")]
            for e, both in enumerate(t):
                gate, up = both.chunk(2, dim=0)
                out[f"{base}{e}.gate_proj.weight"], out[f"{base}{e}.up_proj.weight"] = gate, up
        elif name.endswith("mlp.experts.down_proj"):
            base = name[: -len("down_proj")]
            for e, down in enumerate(t): out[f"{base}{e}.down_proj.weight"] = down
        else:
            out[name] = t
    return {k: v.clone().contiguous() for k, v in out.items()}


def logprobs(logits, ids):
    lp = torch.log_softmax(logits.double(), dim=-1)
    return [float(lp[i, ids[i + 1]]) for i in range(len(ids) - 1)]


def mtp_module(model, config, tensors, ids, generator):
    """DeepSeek-V3 report 2.2: one more block on eh_proj [enorm(embedding of next); hnorm(hidden)]."""
    layer_type, norm_type = type(model.model.layers[-1]), type(model.model.norm)
    D, L = config.hidden_size, config.num_hidden_layers
    block = layer_type(config, L - 1).eval() # of the same kind as the last layer
    norm = lambda: norm_type(D, config.rms_norm_eps)
    extra = torch.nn.ModuleDict(dict(enorm=norm(), hnorm=norm(), head_norm=norm(),
                                     eh_proj=torch.nn.Linear(2 * D, D, bias=False)))
    randomise(block, generator), randomise(extra, generator)
    hidden = model.model(ids[None]).last_hidden_state  # after the final norm
    x, nxt = hidden[:, :-1], ids[None, 1:]
    joined = torch.cat([extra.enorm(model.model.embed_tokens(nxt)), extra.hnorm(x)], dim=-1)
    n = nxt.shape[1]
    position = torch.arange(n)[None]
    mask = torch.full((n, n), float("-inf")).triu(1)[None, None]
    y = block(extra.eh_proj(joined), attention_mask=mask, position_ids=position,
              position_embeddings=model.model.rotary_emb(x, position))
    y = y[0] if isinstance(y, tuple) else y
    logits = model.lm_head(extra.head_norm(y))[0]
    holder = torch.nn.ModuleDict({"block": block})
    for k, v in published_tensors(holder).items():
        tensors[f"model.layers.{L}.{k[len('block.'):]}"] = v
    for k, name in (("enorm", "enorm"), ("hnorm", "hnorm"), ("eh_proj", "eh_proj"),
                    ("head_norm", "shared_head.norm")):
        tensors[f"model.layers.{L}.{name}.weight"] = extra[k].weight.detach().clone()
    # logits at i predict ids[i + 2]
    lp = torch.log_softmax(logits.double(), dim=-1)
    return [float(lp[i, ids[i + 2]]) for i in range(n - 1)]


def make(name, out):
    config_class, model_class, model_type, fields, scaling, theta, dtype = CASES[name]
    generator = torch.Generator().manual_seed(20250120)
    rope = dict(scaling or {}, rope_theta=theta)
    rope["rope_type"] = rope.pop("type", rope.get("rope_type", "default"))
    config = config_class(**fields, rope_parameters=rope, attn_implementation="eager",
                          pad_token_id=None, bos_token_id=1, eos_token_id=2)
    model = model_class(config).eval()
    # Rounding activations to BF16 must not flip the choice of an expert: gentler weights there.
    randomise(model, generator, 1.5 if dtype == torch.float32 else 0.7)
    if dtype != torch.float32: # the expected numbers are of the rounded weights, in f32
        with torch.no_grad():
            for n, p in model.named_parameters(): p.copy_(p.to(dtype).float())
    ids = torch.randint(3, VOCAB, (POSITIONS,), generator=generator)
    tensors = published_tensors(model)
    if fields.get("tie_word_embeddings"): tensors.pop("lm_head.weight", None)
    published = dict(fields, architectures=[model_class.__name__], model_type=model_type,
                     hidden_act="silu", rope_theta=theta, bos_token_id=1, eos_token_id=2,
                     torch_dtype=str(dtype).split(".")[1])
    if scaling: published["rope_scaling"] = scaling
    if model_type == "deepseek_v2": published["scoring_func"] = "softmax"
    if model_type == "deepseek_v3": published.update(scoring_func="sigmoid", topk_method="noaux_tc")
    expected = dict(ids=ids.tolist(), tolerance=1e-4 if dtype == torch.float32 else 2e-2)
    with torch.no_grad():
        expected["logprobs"] = logprobs(model(ids[None]).logits[0], ids)
        if name == "v3":
            expected["mtp_logprobs"] = mtp_module(model, config, tensors, ids, generator)
            published["num_nextn_predict_layers"] = 1
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    keep = lambda k, t: t.float() if "e_score" in k else t.to(dtype)
    save_file({k: keep(k, t) for k, t in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(published, indent=1) + "\n")
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    size = (folder / "model.safetensors").stat().st_size
    lps = expected["logprobs"]
    print(f"{name}: {size} bytes, log-probabilities {min(lps):.2f} to {max(lps):.2f}")


def main():
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "vectors")
    for name in CASES: make(name, out)


main()
