import CKernels
import TensorCore

/// The places of a pass through the network. There are five parallel loops per block: in each, a thread makes its own
/// copy of the rows in the format of the product, then computes its share of the outputs.
extension TokenGenerator {
  private var epsilon: Float { Float(model.configuration.normEpsilon) }

  /// Runs all blocks over the residual stream of the places.
  func advance(_ state: GenerationState) {
    let afterClass = state.places.allSatisfy { $0.position > 0 }
    for (index, block) in model.blocks.enumerated() {
      // After the class, rows with and without it enter the first block alike.
      let distinct = index == 0 && afterClass ? state.places.count : state.rows
      projectQueries(block, rows: distinct, state)
      attend(layer: index, distinct: distinct, state)
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

  /// - Parameter distinct: rows of queries, keys and values; the others repeat those of their places.
  private func attend(layer: Int, distinct: Int, _ state: GenerationState) {
    let heads = model.configuration.heads
    device.threads.forRanges(state.streams.count * heads) { units, thread in
      for unit in units {
        let stream = state.streams[unit / heads]
        // In order: a row attends to the keys of those before it.
        for row in stream.rows {
          attend(
            layer: layer, row, from: row < distinct ? row : state.place(ofRow: row),
            cacheRow: stream.cacheRow,
            head: unit % heads, state, scratch: state.attentionScratch(thread))
        }
      }
    }
  }

  /// - Parameter source: the row of query, key and value.
  private func attend(
    layer: Int, _ row: Int, from source: Int, cacheRow: Int, head: Int, _ state: GenerationState,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let (size, c) = (model.configuration.headSize, model.configuration.width)
    let position = state.places[state.place(ofRow: row)].position
    let angles = model.rotation.pointer + position * size
    let (query, key) = (scratch, scratch + size)
    let q = state.qkv.pointer + source * 3 * c + head * size
    query.update(from: q, count: size)
    key.update(from: q + c, count: size)
    tsr_rotate_pairs(query, angles, 1, 1, size)
    tsr_rotate_pairs(key, angles, 1, 1, size)
    state.cache.attend(
      layer: layer, row: cacheRow, head: head, position: position, query: query, key: key, value: q + 2 * c,
      scratch: scratch + 2 * size, out: state.attended.pointer + row * c + head * size)
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

  /// Logits of every place. Guidance, u + s (c - u), is linear, as the projection is: it is applied to what is
  /// projected, so that each place takes one row of the largest product instead of two.
  /// - Parameter scales: s of each place.
  func project(_ state: GenerationState, scales: [Float]) {
    let (c, v) = (model.configuration.width, model.configuration.vocabularySize)
    let unconditional = state.unconditionalRows
    device.forRanges(state.places.count) { range in
      var inverse: Float = 0
      for place in range {
        let hidden = state.hidden.pointer + place * c
        tsr_rms_norm(
          hidden, &inverse, state.x.pointer + place * c, model.finalNorm.pointer, epsilon, 1, c)
        guard let row = unconditional[place] else { continue }
        let free = state.x.pointer + row * c
        tsr_rms_norm(free, &inverse, free, model.finalNorm.pointer, epsilon, 1, c)
        tsr_scale(hidden, scales[place], hidden, c)
        tsr_axpy(hidden, 1 - scales[place], free, c)
      }
    }
    device.threads.forRanges(model.output.panels) { panels, thread in
      let input = state.activations(thread, width: c)
      input.load(state.hidden.pointer, rows: state.places.count)
      model.output.apply(
        input, rows: state.places.count, into: state.logits.pointer, stride: v, panels: panels)
    }
  }
}
