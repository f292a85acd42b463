# The papers' own settings on ImageNet, as far as the papers print them: LlamaGen's baseline, IAR (Tables A1 and A2), CTF
# (Section 5.1), ST-AR (Section 4.1). They need the time of many GPUs; here they are a record, and a start for runs elsewhere.
#   make -f pipelines/imagenet.mk METHOD=iar MODEL=B TOKENS=16 TOKENIZER=data/weights/vq-16.tensors.zst
# METHOD is baseline, iar, ctf or st-ar; MODEL is B, L, XL or XXL; TOKENS is the side of the grid, 16 or 24.
METHOD ?= iar
MODEL ?= B
TOKENS ?= 16
PIPELINE := $(METHOD)-$(MODEL)-$(TOKENS)
$(if $(filter baseline iar ctf st-ar,$(METHOD)),,$(error METHOD is baseline, iar, ctf or st-ar; found $(METHOD)))
$(if $(filter B L XL XXL,$(MODEL)),,$(error MODEL is B, L, XL or XXL; found $(MODEL)))
$(if $(filter 16 24,$(TOKENS)),,$(error TOKENS is 16 or 24; found $(TOKENS)))

# Images: a folder with a sub-folder per class. The tokenizer is LlamaGen's VQ-16, imported with
# import-weights. The papers hold no images out; one in a thousand is held out here, so that there is a held-out loss.
DATA ?= data/imagenet
TOKENIZER ?= data/weights/vq-16.tensors.zst
SIZE ?= $(if $(filter 16,$(TOKENS)),256,384)
SHARED ?= $(home)/shared-$(SIZE)
HELD_OUT ?= 0.001
VIEWS ?= ten-crop

# Images per step, learning rate, epochs (IAR, Table A1; LlamaGen has the same) and guidance (IAR, Table A2).
iar-16-B := 256 1e-4 300 2.0
iar-16-L := 256 1e-4 300 2.0
iar-16-XL := 256 2e-4 50 1.75
iar-16-XXL := 256 2e-4 50 2.0
iar-24-B := 256 1e-4 300 2.25
iar-24-L := 256 1e-4 300 1.75
iar-24-XL := 256 2e-4 300 1.75
iar-24-XXL := 512 2e-4 300 1.65
# CTF, Section 5.1: the same for all sizes. ST-AR, Section 4.1: 1e-4 per 256 images; its Table 1 has 50 and 300 epochs and no
# guidance. It prints 0.05 for the decay of the second moment; LlamaGen, whose settings it says to follow, has 0.95.
ctf := 256 1e-4 300 2.0
st-ar := 256 1e-4 300 1
settings := $(or $($(METHOD)),$(iar-$(TOKENS)-$(MODEL)))
BATCH ?= $(word 1,$(settings))
LEARNING_RATE ?= $(word 2,$(settings))
ifndef MODEL_STEPS
  EPOCHS ?= $(word 3,$(settings))
endif
GUIDANCE ?= $(word 4,$(settings))
TEMPERATURE ?= $(if $(filter ctf,$(METHOD)),1.1,1.0)

schedule := $(if $(filter ctf,$(METHOD)),--schedule cosine --final-learning-rate 1e-5,--schedule constant)
trained = --batch-size $(BATCH) --learning-rate $(LEARNING_RATE) $(schedule) --beta1 0.9 --beta2 0.95 --weight-decay 0.05 \
  --clip 1.0 --class-dropout 0.1 --precision bfloat16
MODEL_OPTIONS ?= --model GPT-$(MODEL) $(trained)
EVALUATE_EVERY ?= 5000
CHECKPOINT_EVERY ?= 5000

# The methods. CTF's second model is GPT-L for all sizes of the first. The contrast of ST-AR is at block 6 of B and 18 of L and
# XL, which is train-ar's default.
ifeq ($(METHOD),iar)
  CLUSTER_SIZE ?= 128
else ifeq ($(METHOD),ctf)
  CLUSTERS ?= 512
  FINE_OPTIONS ?= --model GPT-L $(trained)
  FINE_SAMPLE_OPTIONS ?= --fine-temperature $(TEMPERATURE) --fine-top-k 0
else ifeq ($(METHOD),st-ar)
  METHOD_OPTIONS ?= --self-guided --mask-ratio 0.25 --contrast-positions 4 --masked-weight 1 --contrast-weight 0.5 \
    --teacher-decay 0.9999 $(if $(filter XL,$(MODEL)),--contrast-layer 18)
endif

# Samples and metrics: 50,000 images by Inception. The sheet has eight images of eight classes. With REFERENCE the samples are
# compared with ADM's file for 256 x 256 pixels, as in the papers: FID by its mu and sigma, precision and recall by its arr_0.
SAMPLE_OPTIONS ?= --guidance $(GUIDANCE) --temperature $(TEMPERATURE) --top-k 0 --top-p 1
PER_CLASS ?= 8
SHOWN_CLASSES ?= 207,279,360,387,417,933,973,980
ENLARGE ?= 1
METRIC_SAMPLES ?= 50000
METRIC_NETWORK ?= inception-v3

include $(dir $(firstword $(MAKEFILE_LIST)))common.mk

data/imagenet:
	@echo "no folder $@: give DATA=the folder with ImageNet's training images, a sub-folder per class" >&2; exit 1
