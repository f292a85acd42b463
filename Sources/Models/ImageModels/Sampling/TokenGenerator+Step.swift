import CKernels
import TensorCore

/// One position through the network. There are five parallel loops per block: in each, a thread makes its own
/// copy of the rows in the format of the product, then computes its share of the outputs.
extension TokenGenerator {
  private var epsilon: Float { Float(model.configuration.normEpsilon) }

  /// Runs all blocks over the residual stream of one position.
  func advance(_ position: Int, _ state: GenerationState) {
    for (index, block) in model.blocks.enumerated() {
      // After the class, rows with and without it enter the first block alike.
      let distinct = index == 0 && position > 0 ? state.images : state.rows
      projectQueries(block, rows: distinct, state)
      attend(layer: index, position, distinct: distinct, state)
      add(block.wo, state.attended, state)
      gate(block, state)
      add(block.w2, state.gated, state)
    }
  }

  private func projectQueries(_ block: PackedTransformer.Block, rows: Int, _ state: GenerationState) {
    device.threads.forRanges(block.wqkv.panels) { panels, thread in
      let input = state.activations(thread, width: block.wqkv.inputs)
      input.load(normalizing: state.x.pointer, rows: rows, weight: block.attentionNorm, epsilon: epsilon)
      block.wqkv.apply(
        input, rows: rows, into: state.qkv.pointer, stride: block.wqkv.outputs, panels: panels)
    }
  }

  /// - Parameter distinct: rows of queries, keys and values; the others repeat them.
  private func attend(layer: Int, _ position: Int, distinct: Int, _ state: GenerationState) {
    let (heads, size, c) = (
      model.configuration.heads, model.configuration.headSize, model.configuration.width
    )
    let angles = model.rotation.pointer + position * size
    device.threads.forRanges(state.rows * heads) { units, thread in
      let scratch = state.attentionScratch(thread)
      let (query, key) = (scratch, scratch + size)
      for unit in units {
        let (row, head) = (unit / heads, unit % heads)
        let q = state.qkv.pointer + row % distinct * 3 * c + head * size
        query.update(from: q, count: size)
        key.update(from: q + c, count: size)
        tsr_rotate_pairs(query, angles, 1, 1, size)
        tsr_rotate_pairs(key, angles, 1, 1, size)
        state.cache.attend(
          layer: layer, row: row, head: head, position: position, query: query, key: key, value: q + 2 * c,
          scratch: scratch + 2 * size, out: state.attended.pointer + row * c + head * size)
      }
    }
  }

  /// Adds a projection of `input` to the residual stream.
  private func add(_ weight: PackedLinear, _ input: Tensor, _ state: GenerationState) {
    device.threads.forRanges(weight.panels) { panels, thread in
      let rows = state.activations(thread, width: weight.inputs)
      rows.load(input.pointer, rows: state.rows)
      weight.apply(
        rows, rows: state.rows, into: state.x.pointer, stride: weight.outputs, panels: panels, adding: true)
    }
  }

  private func gate(_ block: PackedTransformer.Block, _ state: GenerationState) {
    let h = model.configuration.feedForwardWidth
    device.threads.forRanges(block.gateUp.panels / 2) { pairs, thread in
      let input = state.activations(thread, width: block.gateUp.inputs)
      input.load(
        normalizing: state.x.pointer, rows: state.rows, weight: block.feedForwardNorm, epsilon: epsilon)
      block.gateUp.apply(
        input, rows: state.rows, into: state.both.pointer, stride: block.gateUp.outputs,
        panels: 2 * pairs.lowerBound..<2 * pairs.upperBound)
      tsr_swiglu_panels(
        state.gated.pointer, state.both.pointer, state.rows, h, pairs.lowerBound, pairs.upperBound)
    }
  }

  /// Logits of every image. Guidance, u + s (c - u), is linear, as the projection is: it is applied to what is
  /// projected, so that each image takes one row of the largest product instead of two.
  func project(_ state: GenerationState, guidanceScale: Float) {
    let (c, v) = (model.configuration.width, model.configuration.vocabularySize)
    let guided = state.rows > state.images
    device.forRanges(state.images) { range in
      var inverse: Float = 0
      for image in range {
        let hidden = state.hidden.pointer + image * c
        tsr_rms_norm(
          hidden, &inverse, state.x.pointer + image * c, model.finalNorm.pointer, epsilon, 1, c)
        guard guided else { continue }
        let free = state.x.pointer + (state.images + image) * c
        tsr_rms_norm(free, &inverse, free, model.finalNorm.pointer, epsilon, 1, c)
        tsr_scale(hidden, guidanceScale, hidden, c)
        tsr_axpy(hidden, 1 - guidanceScale, free, c)
      }
    }
    device.threads.forRanges(model.output.panels) { panels, thread in
      let input = state.activations(thread, width: c)
      input.load(state.hidden.pointer, rows: state.images)
      model.output.apply(input, rows: state.images, into: state.logits.pointer, stride: v, panels: panels)
    }
  }
}
