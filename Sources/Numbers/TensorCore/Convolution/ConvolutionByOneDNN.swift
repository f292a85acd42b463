#if OneDNN
  import CKernels
  import COneDNN

  /// Convolution through oneDNN's primitives, kept by shape. Activations stay in NHWC from layer to
  /// layer; weights are reordered once a call, or once for all where they do not change.
  final class ConvolutionByOneDNN {
    private struct Key: Hashable {
      var part: ConvolutionPart
      var training: Bool
      var upper: Float
    }
    private var primitives: [Key: OpaquePointer] = [:]
    private let byPatches = ConvolutionByPatches()

    deinit { for primitive in primitives.values { tsr_convolution_destroy(primitive) } }

    func forward(
      _ device: Device, input: ConvolutionInput, weight: Tensor, bias: Tensor, output: Tensor,
      _ geometry: ConvolutionGeometry, training: Bool
    ) {
      // As with weights that stay packed: the two must give the same bytes.
      if !training, isSlow(geometry, output, device.precision) {
        return byPatches.forward(
          device, input: input, weight: weight, bias: bias, output: output, geometry, training: false)
      }
      let parts = convolutionParts(
        geometry, inputShape: input.shape, threads: device.threads.count, byRowsAllowed: !training)
      let made = parts.map { primitive($0.part, device.precision, training: training) }
      let packed = pack(device, made, parts.map(\.part), weight, backward: false)
      run(device, parts, made, packed, input: input, bias: bias, output: output)
    }

    /// As above, without a backward pass, with weights that stay packed from call to call.
    func forward(_ device: Device, input: ConvolutionInput, _ weights: ConvolutionWeights, output: Tensor) {
      if isSlow(weights.geometry, output, device.precision) {
        return byPatches.forward(device, input: input, weights, output: output)
      }
      let parts = convolutionParts(
        weights.geometry, inputShape: input.shape, threads: device.threads.count, byRowsAllowed: true)
      let made = parts.map { primitive($0.part, device.precision, training: false, upper: weights.upper) }
      for (primitive, part) in zip(made, parts.map(\.part)) where weights.packed[part] == nil {
        weights.packed[part] = pack(device, [primitive], [part], weights.weight, backward: false)[0]
      }
      run(
        device, parts, made, parts.map { weights.packed[$0.part]! }, input: input, bias: weights.bias,
        output: output)
    }

    /// Wide images with their channels last: measured at half of the processor's limit by oneDNN, and at 0.8 to 0.9 of it as a
    /// product over patches.
    private func isSlow(_ g: ConvolutionGeometry, _ output: Tensor, _ precision: Precision) -> Bool {
      precision == .float32 && isWidestAVX2() && g.kernelArea > 1 && g.stride == 1
        && (64...384).contains(g.inChannels) && g.outChannels >= 64
        && output.shape[1] * output.shape[2] >= 1024
    }

    private func run(
      _ device: Device, _ parts: [ConvolutionShare], _ made: [OpaquePointer], _ packed: [Tensor],
      input: ConvolutionInput, bias: Tensor, output: Tensor
    ) {
      let rowIn = input.shape[2] * input.shape[3]
      let rowOut = output.shape[2] * output.shape[3]
      device.forRanges(parts.count) { range in
        for index in range {
          let (part, image, inputRow, outputRow) = parts[index]
          check(
            tsr_convolution_forward(
              made[index], input.pointer(at: (image * input.shape[1] + inputRow) * rowIn),
              packed[index].pointer,
              bias.pointer, output.pointer + (image * output.shape[1] + outputRow) * rowOut), part.geometry)
        }
      }
    }

    func backward(
      _ device: Device, outputGradient: Tensor, input: ConvolutionInput, weight: Tensor,
      _ geometry: ConvolutionGeometry, inputGradient: Tensor?, weightGradient: Tensor?, biasGradient: Tensor?
    ) {
      let (parts, made) = backwardParts(device, geometry, inputShape: input.shape)
      let dy = device.convolutionInput(outputGradient)
      if let weightGradient, let biasGradient {
        addParameterGradients(
          device, parts, made, dy, input, geometry, weightGradient: weightGradient, biasGradient: biasGradient
        )
      }
      guard let inputGradient else { return }
      let packed = pack(device, made, parts.map(\.part), weight, backward: true)
      setInputGradient(device, parts, made, packed, dy, inputGradient)
    }

    /// The gradient of the input alone, by weights that stay packed from call to call.
    func backward(
      _ device: Device, outputGradient: Tensor, _ weights: ConvolutionWeights, inputGradient: Tensor
    ) {
      let (parts, made) = backwardParts(device, weights.geometry, inputShape: inputGradient.shape)
      for (primitive, part) in zip(made, parts.map(\.part)) where weights.packedBackward[part] == nil {
        weights.packedBackward[part] = pack(device, [primitive], [part], weights.weight, backward: true)[0]
      }
      setInputGradient(
        device, parts, made, parts.map { weights.packedBackward[$0.part]! },
        device.convolutionInput(outputGradient), inputGradient)
    }

    private func backwardParts(
      _ device: Device, _ geometry: ConvolutionGeometry, inputShape: [Int]
    ) -> (parts: [ConvolutionShare], made: [OpaquePointer]) {
      let parts = convolutionParts(
        geometry, inputShape: inputShape, threads: device.threads.count, byRowsAllowed: false)
      return (parts, parts.map { primitive($0.part, device.precision, training: true) })
    }

    private func addParameterGradients(
      _ device: Device, _ parts: [ConvolutionShare], _ made: [OpaquePointer], _ dy: ConvolutionInput,
      _ input: ConvolutionInput, _ geometry: ConvolutionGeometry, weightGradient: Tensor, biasGradient: Tensor
    ) {
      let (imageIn, imageOut) = (imageSize(input.shape), imageSize(dy.shape))
      let partial = device.empty([parts.count, geometry.weightCount])
      let partialBias = device.empty([parts.count, geometry.outChannels])
      let scratch = made.map { device.empty([tsr_convolution_gradient_count($0)]) }
      device.forRanges(parts.count) { range in
        for index in range {
          let image = parts[index].image
          check(
            tsr_convolution_backward_weights(
              made[index], input.pointer(at: image * imageIn), dy.pointer(at: image * imageOut),
              scratch[index].pointer, partial.pointer + index * geometry.weightCount,
              partialBias.pointer + index * geometry.outChannels), geometry)
        }
      }
      for index in parts.indices {
        tsr_axpy(
          weightGradient.pointer, 1, partial.pointer + index * geometry.weightCount, geometry.weightCount)
        tsr_axpy(
          biasGradient.pointer, 1, partialBias.pointer + index * geometry.outChannels, geometry.outChannels)
      }
    }

    private func setInputGradient(
      _ device: Device, _ parts: [ConvolutionShare], _ made: [OpaquePointer], _ packed: [Tensor],
      _ dy: ConvolutionInput, _ inputGradient: Tensor
    ) {
      let (imageIn, imageOut) = (imageSize(inputGradient.shape), imageSize(dy.shape))
      device.forRanges(parts.count) { range in
        for index in range {
          let (part, image, _, _) = parts[index]
          check(
            tsr_convolution_backward_data(
              made[index], dy.pointer(at: image * imageOut), packed[index].pointer,
              inputGradient.pointer + image * imageIn), part.geometry)
        }
      }
    }

    private func imageSize(_ shape: [Int]) -> Int { shape.dropFirst().reduce(1, *) }

    /// Packed weights for each part; parts of one shape share them.
    private func pack(
      _ device: Device, _ made: [OpaquePointer], _ parts: [ConvolutionPart], _ weight: Tensor, backward: Bool
    ) -> [Tensor] {
      var byShape: [ConvolutionPart: Tensor] = [:]
      return zip(made, parts).map { primitive, part in
        if let known = byShape[part] { return known }
        let packed = device.empty([tsr_convolution_packed_count(primitive, backward)])
        check(tsr_convolution_pack(primitive, backward, weight.pointer, packed.pointer), part.geometry)
        byShape[part] = packed
        return packed
      }
    }

    private func primitive(
      _ part: ConvolutionPart, _ precision: Precision, training: Bool, upper: Float = 0
    ) -> OpaquePointer {
      let key = Key(part: part, training: training, upper: upper)
      if let known = primitives[key] { return known }
      let g = part.geometry
      var shape = tsr_convolution_shape(
        batch: part.batch, height: part.height, width: part.width, channels: g.inChannels,
        out_height: part.outHeight, out_width: part.outWidth, out_channels: g.outChannels,
        kernel_height: g.kernelHeight, kernel_width: g.kernelWidth, stride: g.stride, pad_top: part.padTop,
        pad_left: g.padLeft, pad_bottom: part.padBottom, pad_right: g.padRight, upper: upper,
        bfloat16: precision == .bfloat16)
      guard let made = tsr_convolution_create(&shape, training) else {
        preconditionFailure("convolve: oneDNN has no primitive for \(part)")
      }
      primitives[key] = made
      return made
    }
  }

  private func check(_ status: Int32, _ geometry: ConvolutionGeometry) {
    precondition(status == 0, "convolve: oneDNN status \(status) for \(geometry)")
  }
#endif
