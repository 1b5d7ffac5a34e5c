/* The vocabulary's text as read-only data, as it is: inference/wordpiece.cpp. */
    .section .rodata
    .balign 16
    .globl weft_bert_base_uncased_vocabulary_begin
    .globl weft_bert_base_uncased_vocabulary_end
    .hidden weft_bert_base_uncased_vocabulary_begin
    .hidden weft_bert_base_uncased_vocabulary_end
weft_bert_base_uncased_vocabulary_begin:
    .incbin WEFT_BERT_VOCABULARY
weft_bert_base_uncased_vocabulary_end:
    .byte 0
    .section .note.GNU-stack, "", %progbits
