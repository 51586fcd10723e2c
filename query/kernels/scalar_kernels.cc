#include "query/kernels/scalar_kernels.h"

#include "storage/machine/float16.h"

namespace actkin::scalar {
namespace {

double Widen(float number) { return number; }

double Widen(std::uint16_t bits) {
  float number = 0;
  DecodeFloat16(&bits, 1, &number);
  return number;
}

template <typename Number, typename Term>
void Pairs(const Number* rows, std::size_t row_count, std::size_t dimension, const float* queries,
           std::size_t query_count, float* out, Term term) {
  for (std::size_t query = 0; query < query_count; ++query) {
    for (std::size_t row = 0; row < row_count; ++row) {
      double sum = 0;
      for (std::size_t i = 0; i < dimension; ++i) {
        sum += term(Widen(rows[row * dimension + i]), Widen(queries[query * dimension + i]));
      }
      out[query * row_count + row] = static_cast<float>(sum);
    }
  }
}

double SquaredDifference(double a, double b) { return (a - b) * (a - b); }
double Product(double a, double b) { return a * b; }

template <typename Number>
void Norms(const Number* rows, std::size_t row_count, std::size_t dimension, float* out) {
  for (std::size_t row = 0; row < row_count; ++row) {
    double sum = 0;
    for (std::size_t i = 0; i < dimension; ++i) {
      const double number = Widen(rows[row * dimension + i]);
      sum += number * number;
    }
    out[row] = static_cast<float>(sum);
  }
}

}  // namespace

void SquaredDistances(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                      std::size_t query_count, float* out) {
  Pairs(rows, row_count, dimension, queries, query_count, out, SquaredDifference);
}

void SquaredDistances(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                      std::size_t query_count, float* out) {
  Pairs(rows, row_count, dimension, queries, query_count, out, SquaredDifference);
}

void DotProducts(const float* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                 std::size_t query_count, float* out) {
  Pairs(rows, row_count, dimension, queries, query_count, out, Product);
}

void DotProducts(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, const float* queries,
                 std::size_t query_count, float* out) {
  Pairs(rows, row_count, dimension, queries, query_count, out, Product);
}

void SquaredNorms(const float* rows, std::size_t row_count, std::size_t dimension, float* out) {
  Norms(rows, row_count, dimension, out);
}

void SquaredNorms(const std::uint16_t* rows, std::size_t row_count, std::size_t dimension, float* out) {
  Norms(rows, row_count, dimension, out);
}

void Linear(const float* weights, std::size_t outputs, std::size_t width, const float* bias, const float* inputs,
            std::size_t input_count, float* out, std::size_t stride) {
  for (std::size_t input = 0; input < input_count; ++input) {
    for (std::size_t output = 0; output < outputs; ++output) {
      double sum = bias == nullptr ? 0.0 : bias[output];
      for (std::size_t i = 0; i < width; ++i) {
        sum += static_cast<double>(weights[output * width + i]) * inputs[input * width + i];
      }
      out[input * stride + output] = static_cast<float>(sum);
    }
  }
}

}  // namespace actkin::scalar
