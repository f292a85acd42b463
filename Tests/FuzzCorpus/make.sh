#!/bin/bash
# Makes the files of this folder with the tools in .build/release: a folder of seeds for each kind of input, and in
# `support` the whole files that tools need beside a mutated one. Files that fuzzing has found are added by hand as
# KIND/found-WHAT, and stay.
set -euo pipefail
cd "$(dirname "$0")"
export PATH="$PWD/../../.build/release:$PATH"
fixtures=$PWD/../Fixtures
common=(--quiet --seed 1 --threads 1)
mkdir -p support container tokens mapping tokenizer ar-model fine-model var-model features checkpoint pickle zip npy png jpeg \
  image-list image-table image-archive labels requests
cd support
rm -rf ./*
mkdir -p images/a images/b
cp "$fixtures"/images/crop-1[56].png images/a
cp "$fixtures"/images/{crop-31,crop-40}.png images/b
printf 'input\ta\n' >list-of-input
ln -s input input.csv

sizes=(--layers 1 --heads 1 --width 8 --feed-forward-multiple 8 --steps 2 --batch-size 2)
train-tokenizer images --model CPU-4 --size 8 --channels 4 --multipliers 1,2 --groups 2 --z-channels 4 --codes 32 \
  --code-dimension 4 --steps 2 --batch-size 2 "${common[@]}" --no-provenance --output tokenizer.zst
tokenize images --tokenizer tokenizer.zst "${common[@]}" --output tokens.zst
rearrange-codebook tokenizer.zst --cluster-size 4 "${common[@]}" --output rearranged.zst --mapping mapping.zst
cluster-codebook tokenizer.zst --clusters 4 "${common[@]}" --output coarse-mapping.zst
relabel-tokens tokens.zst --mapping coarse-mapping.zst "${common[@]}" --output coarse-tokens.zst
train-ar tokens.zst "${sizes[@]}" "${common[@]}" --no-provenance --output model.zst
train-ar coarse-tokens.zst "${sizes[@]}" "${common[@]}" --no-provenance --output coarse.zst
train-fine tokens.zst --mapping coarse-mapping.zst "${sizes[@]}" "${common[@]}" --no-provenance --output fine.zst

train-tokenizer images --model CPU-VAR-4 --size 8 --channels 4 --multipliers 1,2 --groups 2 --z-channels 4 --codes 32 \
  --code-dimension 4 --scales 1,2,4 --steps 2 --batch-size 2 "${common[@]}" --no-provenance --output scales-tokenizer.zst
tokenize images --tokenizer scales-tokenizer.zst "${common[@]}" --no-provenance --output scales.zst
train-ar scales.zst --tokenizer scales-tokenizer.zst --layers 1 --heads 1 --width 8 --steps 2 --batch-size 2 "${common[@]}" \
  --no-provenance --output ../var-model/var.zst

small=(--model CPU-4 --size 8 --channels 4 --multipliers '1,2' --groups 2 --z-channels 4 --steps 2 --batch-size 2)
train-tokenizer images "${small[@]}" --quantizer fsq --levels 4,3,2 "${common[@]}" --no-provenance --output ../tokenizer/fsq.zst
train-tokenizer images "${small[@]}" --quantizer lfq --codes 16 "${common[@]}" --no-provenance --output ../tokenizer/lfq.zst

cp scales.zst ../tokens/scales.zst
cp scales-tokenizer.zst ../tokenizer/scales.zst
cp tokens.zst ../tokens/one-record.zst
tokenize images --tokenizer tokenizer.zst --views flip "${common[@]}" --no-provenance --output ../tokens/two-views.zst
cat tokens.zst tokens.zst >../tokens/concatenated.zst
printf 'images/a/crop-15.png\nimages/missing.png\nimages/b/crop-31.png\n' |
  tokenize - --tokenizer tokenizer.zst --skip-unreadable "${common[@]}" --no-provenance --output ../tokens/skipped.zst \
    2>/dev/null
cp mapping.zst ../mapping/permutation.zst
cp coarse-mapping.zst ../mapping/coarse.zst
cp tokenizer.zst ../tokenizer/tokenizer.zst
cp model.zst ../ar-model/model.zst
cp fine.zst ../fine-model/fine.zst
cp mapping.zst ../container/mapping.zst
zstd -dqc tokens.zst >../container/tokens.safetensors
train-ar tokens.zst "${sizes[@]}" "${common[@]}" --output trained.zst --keep-checkpoint --checkpoint-every 1 \
  --checkpoint ../checkpoint/checkpoint.zst
eval-metrics --reference images --network pixels --size 8 --write-features ../features/pixels.zst "${common[@]}" --no-provenance
score-tokens tokens.zst --model model.zst --logits ../features/logits.zst "${common[@]}" --no-provenance >/dev/null
rm -f trained.zst rearranged.zst coarse-tokens.zst
cd ..
printf 'a/1.png\na/2.png\tb\n\nc/d/3.jpg\te\n' >image-list/lines
printf 'a/1.png\0b/2\n.png\tx\0' >image-list/zeros
printf 'path,label\nimages/a/crop-15.png,cat\n"images/b/crop-31.png",dog\n' >image-table/names
printf 'images/a/crop-15.png,3,x\r\nimages/b/crop-31.png,0,"y, ""z"""\r\n' >image-table/numbers
tape=(tar --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner)
"${tape[@]}" -C support/images -cf image-archive/folders.tar .
rm -f image-archive/folders.zip
(cd support/images && zip -qrX ../../image-archive/folders.zip a b)
pairs=$(mktemp -d)
cp support/images/a/crop-15.png "$pairs/0001.png"
cp support/images/b/crop-31.png "$pairs/0002.png"
echo 1 >"$pairs/0001.cls"
echo '{"label": 0}' >"$pairs/0002.json"
"${tape[@]}" -C "$pairs" -cf image-archive/webdataset.tar .
rm -r "$pairs"
printf '0\n1\n2\n0\n' >labels/numbers
cat >requests/lines <<'END'
{"classes": [0, "b"], "count": 2, "seed": 3, "guidance": 1.5, "temperature": 0.9, "top_k": 5, "top_p": 0.5, "id": "x"}
{"classes": [1]}
END
printf '{"classes": [0], "png": "output"}\n{"classes": ["a"], "id": [1, null]}' >requests/pictures
python3 make.py
